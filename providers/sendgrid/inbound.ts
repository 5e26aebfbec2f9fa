import { z } from 'zod';
import { contentId, jsonOrUndefined, unreadable } from '../cloud-mail.ts';
import type { DoorReceipt } from '../contract.ts';
import { rebuildMail, type MailText, type PieceAttached } from '../rebuilt-mail.ts';
import { textOf, type FormFile, type VendorForm } from '../vendor-form.ts';

const Envelope = z.object({ to: z.array(z.string()), from: z.string().nullish() });
const Names = z.record(z.string(), z.string()).catch({});
const AttachmentInfo = z
  .record(
    z.string(),
    z.object({
      filename: z.string().optional(),
      type: z.string().optional(),
      'content-id': z.string().optional(),
    }),
  )
  .catch({});

type MailEnvelope = NonNullable<DoorReceipt['sources'][number]['envelope']>;

/** Who the mail was from and to on its way here; null where the call doesn't say. */
export function envelopeOf(form: VendorForm): MailEnvelope | null {
  const envelope = Envelope.safeParse(jsonOrUndefined(textOf(form, 'envelope') ?? ''));
  return envelope.success ? { from: envelope.data.from ?? null, to: envelope.data.to } : null;
}

/**
 * A mail of the Inbound Parse webhook
 * (https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/setting-up-the-inbound-parse-webhook): as it came
 * where "send raw" is on, else put together from its pieces.
 */
export function sourceOf(form: VendorForm): DoorReceipt['sources'][number] {
  const raw = form.fields.get('email')?.[0] ?? null;
  const source = raw ?? rebuilt(form);
  const envelope = envelopeOf(form);
  return {
    source,
    // SendGrid gives a mail no id.
    providerMessageId: contentId(source),
    ...(envelope && { envelope }),
    meta: {
      rebuilt: raw === null,
      spf: textOf(form, 'SPF') ?? null,
      dkim: textOf(form, 'dkim') ?? null,
      spam_score: textOf(form, 'spam_score') ?? null,
    },
  };
}

function rebuilt(form: VendorForm): Buffer {
  const headers = form.fields.get('headers')?.[0];
  if (!headers) throw unreadable('sendgrid', 'it carries neither "email" nor "headers"');
  return rebuildMail({
    headers,
    text: bodyOf(form, 'text'),
    html: bodyOf(form, 'html'),
    attachments: attachmentsOf(form),
  });
}

/** A body in the charset that the mail had it in. */
function bodyOf(form: VendorForm, name: 'text' | 'html'): MailText | null {
  const content = form.fields.get(name)?.[0];
  if (!content || content.length === 0) return null;
  const charsets = Names.parse(jsonOrUndefined(textOf(form, 'charsets') ?? '{}'));
  return { content, charset: charsets[name] ?? 'utf-8' };
}

function attachmentsOf(form: VendorForm): PieceAttached[] {
  const told = AttachmentInfo.parse(jsonOrUndefined(textOf(form, 'attachment-info') ?? '{}'));
  const ids = Names.parse(jsonOrUndefined(textOf(form, 'content-ids') ?? '{}'));
  const idOf = new Map(Object.entries(ids).map(([id, field]) => [field, id]));
  const asTold = ({ field, filename, contentType, content }: FormFile): PieceAttached => {
    const id = idOf.get(field) ?? told[field]?.['content-id'];
    return {
      filename: told[field]?.filename ?? filename,
      contentType: told[field]?.type ?? contentType,
      contentId: id?.replace(/^<|>$/g, '') ?? null,
      content,
    };
  };
  const bare = [...form.fields].flatMap(([field, contents]) =>
    /^attachment\d+$/.test(field)
      ? contents.map((content) => ({
          field,
          filename: null,
          contentType: 'application/octet-stream',
          content,
        }))
      : [],
  );
  return [...form.files, ...bare].map(asTold);
}
