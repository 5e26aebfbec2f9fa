import { randomBytes } from 'node:crypto';
import type { EncodedForm, FormPart } from '../form.ts';
import { multipartForm, urlEncodedForm } from '../form.ts';
import { envelopeOf, headerLines, inPieces, type Delivery } from '../mail-cloud.ts';

/** How a route hands a mail over: `forward()` to an address that ends in "mime", `forward()`, or `store(notify=…)`. */
export type MailgunMode = 'mime' | 'parsed' | 'stored';

/**
 * What Mailgun posts of a mail
 * (https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store/receive-http).
 * @param storedUrl where the mail can be fetched, in mode `stored`
 */
export async function routeCall(
  raw: Buffer,
  delivery: Delivery,
  signature: Readonly<Record<string, string>>,
  storedUrl: string,
): Promise<EncodedForm> {
  const mail = await inPieces(raw);
  const { from, to } = envelopeOf(mail, delivery);
  const common: FormPart[] = [
    ...Object.entries({ ...signature, recipient: to, sender: from }),
    ['from', mail.from?.text ?? ''],
    ['subject', mail.subject ?? ''],
    ['message-headers', JSON.stringify(headerLines(raw))],
  ].map(([name, value]) => ({ name: name!, value: value! }));
  if (delivery.mode === 'mime')
    return urlEncodedForm([...common, { name: 'body-mime', value: raw }]);
  const texts: FormPart[] = [
    { name: 'body-plain', value: mail.text ?? '' },
    ...(mail.html === false ? [] : [{ name: 'body-html', value: mail.html }]),
  ];
  if (delivery.mode === 'stored')
    return urlEncodedForm([
      ...common,
      ...texts,
      { name: 'domain', value: 'mg.example.test' },
      { name: 'message-url', value: storedUrl },
      { name: 'attachments', value: JSON.stringify(mail.attachments.map(attachmentFacts)) },
    ]);
  if (mail.attachments.length === 0) return urlEncodedForm([...common, ...texts]);
  const named = mail.attachments.map((file, index) => ({
    ...file,
    field: `attachment-${index + 1}`,
  }));
  const ids = named.flatMap(({ cid, field }) => (cid ? [[`<${cid}>`, field]] : []));
  return multipartForm([
    ...common,
    ...texts,
    { name: 'attachment-count', value: String(named.length) },
    { name: 'content-id-map', value: JSON.stringify(Object.fromEntries(ids)) },
    ...named.map(({ field, filename, contentType, content }) => ({
      name: field,
      filename: filename ?? `part-${randomBytes(4).toString('hex')}`,
      contentType,
      value: content,
    })),
  ]);
}

function attachmentFacts(file: { filename?: string; contentType: string; size: number }) {
  return { name: file.filename ?? '', 'content-type': file.contentType, size: file.size };
}
