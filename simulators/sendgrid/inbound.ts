import type { ParsedMail } from 'mailparser';
import { multipartForm, type EncodedForm, type FormPart } from '../form.ts';
import { envelopeOf, headOf, inPieces, type Delivery } from '../mail-cloud.ts';

/**
 * What the Inbound Parse webhook posts of a mail, in mode `raw` ("send raw") or `parsed`
 * (https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/setting-up-the-inbound-parse-webhook).
 */
export async function parseCall(raw: Buffer, delivery: Delivery): Promise<EncodedForm> {
  const mail = await inPieces(raw);
  const { from, to } = envelopeOf(mail, delivery);
  const common: FormPart[] = fields({
    to: textOf(mail, 'to'),
    from: mail.from?.text ?? '',
    subject: mail.subject ?? '',
    sender_ip: '203.0.113.7',
    envelope: JSON.stringify({ to: [to], from }),
    SPF: 'pass',
    dkim: '{@x.test : pass}',
    spam_score: '0.1',
    charsets: JSON.stringify({
      to: 'UTF-8',
      from: 'UTF-8',
      subject: 'UTF-8',
      text: 'utf-8',
      html: 'utf-8',
    }),
  });
  if (delivery.mode === 'raw') return multipartForm([...common, { name: 'email', value: raw }]);
  const named = mail.attachments.map((file, index) => ({
    ...file,
    field: `attachment${index + 1}`,
  }));
  const info = named.map(({ field, filename, contentType, cid }) => [
    field,
    { filename, name: filename, type: contentType, ...(cid && { 'content-id': cid }) },
  ]);
  const ids = named.flatMap(({ field, cid }) => (cid ? [[cid, field]] : []));
  return multipartForm([
    { name: 'headers', value: headOf(raw) },
    ...common,
    ...(mail.text ? fields({ text: mail.text }) : []),
    ...(mail.html === false ? [] : fields({ html: mail.html })),
    ...fields({ attachments: String(named.length) }),
    ...(named.length > 0
      ? fields({
          'attachment-info': JSON.stringify(Object.fromEntries(info)),
          'content-ids': JSON.stringify(Object.fromEntries(ids)),
        })
      : []),
    ...named.map(({ field, filename, contentType, content }) => ({
      name: field,
      filename: filename ?? field,
      contentType,
      value: content,
    })),
  ]);
}

function fields(values: Readonly<Record<string, string>>): FormPart[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }));
}

function textOf(mail: ParsedMail, name: 'to' | 'cc'): string {
  const addresses = mail[name];
  return addresses === undefined
    ? ''
    : [addresses]
        .flat()
        .map(({ text }) => text)
        .join(', ');
}
