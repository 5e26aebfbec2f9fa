import { z } from 'zod';
import { jsonOrUndefined, unreadable } from '../cloud-mail.ts';
import type { DoorReceipt } from '../contract.ts';
import { rebuildMail, type PieceAttached } from '../rebuilt-mail.ts';
import { textOf, type VendorForm } from '../vendor-form.ts';

const Headers = z.array(z.tuple([z.string(), z.string()]));
const ContentIds = z.record(z.string(), z.string());

/**
 * A mail that a route hands over (https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store/receive-http):
 * as it came where the route's address ends in `mime`, else put together from its pieces.
 * @param fetched the mail as it came, where the route stored it
 */
export function sourceOf(form: VendorForm, fetched: Buffer | null): DoorReceipt['sources'][number] {
  const raw = fetched ?? form.fields.get('body-mime')?.[0] ?? null;
  const sender = textOf(form, 'sender');
  return {
    source: raw ?? rebuilt(form),
    // The token is good for one content: a second one under it finds the first.
    providerMessageId: textOf(form, 'token')!,
    envelope: { from: sender ?? null, to: recipientsOf(form) },
    meta: { rebuilt: raw === null },
  };
}

export function recipientsOf(form: VendorForm): string[] {
  return (textOf(form, 'recipient') ?? '')
    .split(',')
    .map((address) => address.trim())
    .filter(Boolean);
}

function rebuilt(form: VendorForm): Buffer {
  const headers = Headers.safeParse(jsonOrUndefined(textOf(form, 'message-headers') ?? ''));
  if (!headers.success) throw unreadable('mailgun', 'it carries no message-headers');
  const html = form.fields.get('body-html') ?? [];
  const text = form.fields.get('body-plain')?.[0];
  return rebuildMail({
    headers: headers.data,
    text: text === undefined ? null : { content: text, charset: 'utf-8' },
    html: html.length === 0 ? null : { content: Buffer.concat([...html]), charset: 'utf-8' },
    attachments: attachmentsOf(form),
  });
}

function attachmentsOf(form: VendorForm): PieceAttached[] {
  const ids = ContentIds.safeParse(jsonOrUndefined(textOf(form, 'content-id-map') ?? '{}'));
  const idOf = new Map(
    Object.entries(ids.success ? ids.data : {}).map(([id, field]) => [
      field,
      id.replace(/^<|>$/g, ''),
    ]),
  );
  const bare = [...form.fields].filter(([name]) => /^attachment-\d+$/.test(name));
  return [
    ...form.files.map((file) => ({ ...file, contentId: idOf.get(file.field) ?? null })),
    // A part without a file name reads as a field.
    ...bare.flatMap(([name, contents]) =>
      contents.map((content) => ({
        filename: null,
        contentType: 'application/octet-stream',
        contentId: idOf.get(name) ?? null,
        content,
      })),
    ),
  ];
}
