import { randomUUID } from 'node:crypto';
import type { AddressObject } from 'mailparser';
import { envelopeOf, headerLines, inPieces, type Delivery } from '../mail-cloud.ts';

/** What Postmark posts of a mail (https://postmarkapp.com/developer/webhooks/inbound-webhook). */
export async function inboundPayload(
  raw: Buffer,
  delivery: Delivery,
  withRaw: boolean,
): Promise<object> {
  const mail = await inPieces(raw);
  const [from] = people(mail.from);
  return {
    FromName: from?.Name ?? '',
    MessageStream: 'inbound',
    From: from?.Email ?? '',
    FromFull: from ?? { Email: '', Name: '', MailboxHash: '' },
    To: text(mail.to),
    ToFull: people(mail.to),
    Cc: text(mail.cc),
    CcFull: people(mail.cc),
    Bcc: '',
    BccFull: [],
    OriginalRecipient: envelopeOf(mail, delivery).to,
    Subject: mail.subject ?? '',
    MessageID: randomUUID(),
    ReplyTo: text(mail.replyTo),
    MailboxHash: '',
    Date: mail.date?.toUTCString() ?? '',
    TextBody: mail.text ?? '',
    HtmlBody: mail.html === false ? '' : mail.html,
    StrippedTextReply: '',
    Tag: '',
    Headers: otherHeaders(raw),
    Attachments: mail.attachments.map((attachment) => ({
      Name: attachment.filename ?? '',
      Content: attachment.content.toString('base64'),
      ContentType: attachment.contentType,
      ContentLength: attachment.size,
      ...(attachment.cid && { ContentID: attachment.cid }),
    })),
    ...(withRaw && { RawEmail: raw.toString() }),
  };
}

/** Those that have no field of their own. */
function otherHeaders(raw: Buffer): { Name: string; Value: string }[] {
  const fields = /^(from|to|cc|bcc|subject|date|reply-to|content-.*)$/i;
  return headerLines(raw)
    .filter(([name]) => !fields.test(name))
    .map(([Name, Value]) => ({ Name, Value }));
}

type Addresses = AddressObject | AddressObject[] | undefined;

function people(addresses: Addresses) {
  const list = addresses === undefined ? [] : [addresses].flat();
  return list
    .flatMap(({ value }) => value)
    .map(({ address = '', name }) => ({
      Email: address,
      Name: name,
      MailboxHash: /\+([^@]*)@/.exec(address)?.[1] ?? '',
    }));
}

function text(addresses: Addresses): string {
  return addresses === undefined
    ? ''
    : [addresses]
        .flat()
        .map((one) => one.text)
        .join(', ');
}
