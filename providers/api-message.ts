import { Buffer } from 'node:buffer';
import type { Readable } from 'node:stream';
import type { MailAddress } from '../domain/message.ts';
import type { OutgoingMessage } from './contract.ts';
import { mailOptions } from './submission.ts';

/** An answer in pieces, for an API that makes the mail itself. */
export interface ApiMessage {
  readonly from: MailAddress;
  readonly replyTo: string | null;
  readonly to: readonly MailAddress[];
  readonly cc: readonly MailAddress[];
  readonly subject: string;
  readonly text: string;
  readonly html: string | null;
  /** Message-ID, In-Reply-To, References and ours, as header lines. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly attachments: readonly {
    readonly filename: string;
    readonly contentType: string;
    readonly contentId: string | null;
    readonly content: Buffer;
  }[];
}

/** The same recipients, threading and marks as a mail that is submitted. @throws ProviderFailure */
export async function apiMessage(message: OutgoingMessage): Promise<ApiMessage> {
  const options = mailOptions(message) as MailOptions; // composeReply gives these fields these types
  return {
    from: options.from,
    replyTo: options.replyTo ?? null,
    to: options.to,
    cc: options.cc,
    subject: options.subject,
    text: options.text,
    html: options.html ?? null,
    headers: [
      ['Message-ID', options.messageId],
      ...(options.inReplyTo ? [['In-Reply-To', options.inReplyTo] as const] : []),
      ...(options.references?.length
        ? [['References', options.references.join(' ')] as const]
        : []),
      ...Object.entries(options.headers),
    ],
    attachments: await Promise.all(
      options.attachments.map(async ({ filename, contentType, cid, content }) => ({
        filename,
        contentType,
        contentId: cid ?? null,
        content: await read(content),
      })),
    ),
  };
}

interface MailOptions {
  readonly from: MailAddress;
  readonly replyTo?: string;
  readonly to: readonly MailAddress[];
  readonly cc: readonly MailAddress[];
  readonly subject: string;
  readonly text: string;
  readonly html?: string;
  readonly messageId: string;
  readonly inReplyTo?: string;
  readonly references?: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly attachments: readonly {
    readonly filename: string;
    readonly contentType: string;
    readonly cid?: string;
    readonly content: Readable;
  }[];
}

async function read(content: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of content as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
