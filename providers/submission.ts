import { Readable, Transform, type TransformCallback } from 'node:stream';
import MailComposer from 'nodemailer/lib/mail-composer';
import { ProviderFailure } from '../domain/failure.ts';
import { composeReply } from '../domain/mail/compose.ts';
import type { OutgoingMessage, ProviderCall, SendReceipt } from './contract.ts';
import type { WithOauth } from './mail-oauth.ts';
import type { OutgoingServer } from './mail-settings.ts';
import { smtpFailure } from './smtp-failure.ts';
import { withSubmission } from './smtp-session.ts';

/** Settings of every channel that answers by a submission server. */
export interface WithOutgoing extends WithOauth {
  readonly smtp?: OutgoingServer;
}

/**
 * Sends one mail by the channel's submission server (RFC 6409). `transmitting` is called when all but the end of the
 * mail has been handed over: until then no server delivers it (RFC 5321 §4.1.1.4), from then on it may.
 * @throws ProviderFailure; `channel.no_outgoing_server` where the channel has none
 */
export async function submit(
  call: ProviderCall<WithOutgoing>,
  message: OutgoingMessage,
  transmitting: () => Promise<void>,
): Promise<SendReceipt> {
  const server = outgoingServer(call.settings);
  const mail = composeMail(message);
  const gate = new EndGate(async () => {
    call.signal.throwIfAborted();
    await transmitting();
  });
  try {
    return await withSubmission(call, server, gate, async (session) => {
      const content = mail.createReadStream();
      content.once('error', (error) => gate.destroy(error));
      const sent = await session.send(mail.getEnvelope(), content.pipe(gate));
      return {
        providerMessageId: sent.serverMessageId?.replace(/^<|>$/g, '') ?? null,
        response: sent.response.slice(0, 300),
        ...(sent.rejected.length > 0 && { rejected: sent.rejected }),
      };
    });
  } catch (error) {
    if (gate.refusal !== undefined) throw gate.refusal;
    if (!gate.isOpen) call.signal.throwIfAborted();
    throw smtpFailure(error, server, gate.isOpen);
  } finally {
    gate.destroy();
  }
}

/** @throws ProviderFailure `channel.no_outgoing_server` */
export function outgoingServer(settings: WithOutgoing): OutgoingServer {
  if (settings.smtp) return settings.smtp;
  throw new ProviderFailure({
    code: 'channel.no_outgoing_server',
    class: 'give_up',
    message:
      'This channel has no outgoing server: set "smtp" {host, port, security, username, password} in its settings.',
  });
}

/** The mail as MIME; made anew for each use, because attachments are streamed. @throws ProviderFailure */
export function composeMail(message: OutgoingMessage): ReturnType<MailComposer['compile']> {
  return new MailComposer(mailOptions(message)).compile();
}

/** The mail as nodemailer takes it: recipients, threading and headers as they leave. @throws ProviderFailure */
export function mailOptions(message: OutgoingMessage): ReturnType<typeof composeReply> {
  const options = replyOptions(message);
  const isReply = message.inReplyTo !== null || message.references.length > 0;
  return {
    ...options,
    ...(isReply ? {} : { subject: message.subject.replace(/\p{Cc}+/gu, ' ').trim() }),
  };
}

function replyOptions(message: OutgoingMessage): ReturnType<typeof composeReply> {
  try {
    return composeReply({
      ticket: { number: message.ticketNumber ?? 0, subject: message.subject },
      channelAddress: message.from,
      replyTo: message.replyTo,
      to: message.to,
      cc: message.cc,
      messageId: message.messageId,
      inReplyTo: message.inReplyTo,
      references: message.references,
      text: message.text,
      html: message.html,
      automatic: message.automatic,
      origin: 'postroom',
      date: new Date(),
      attachments: message.attachments.map((attachment) => ({
        filename: attachment.filename,
        contentType: attachment.contentType,
        contentId: attachment.contentId,
        // Opened when it is read: a send that fails before leaves nothing open.
        content: Readable.from(readLate(attachment.content)),
      })),
    });
  } catch (error) {
    throw new ProviderFailure(
      {
        code: 'smtp.no_recipient',
        class: 'give_up',
        message: error instanceof Error ? error.message : 'The mail has no recipient.',
      },
      { cause: error },
    );
  }
}

async function* readLate(content: () => Readable): AsyncGenerator<Buffer> {
  yield* content();
}

/** Lets a mail through but for its last bytes, which wait until it is noted that the mail may go out. */
export class EndGate extends Transform {
  readonly #beforeEnd: () => Promise<void>;
  #held: Buffer | undefined;
  #isOpen = false;
  #refusal: Error | undefined;

  constructor(beforeEnd: () => Promise<void>) {
    super();
    this.#beforeEnd = beforeEnd;
  }

  /** From here on the whole mail may be with the server. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Why the end was held back, if it was: the caller's own error. */
  get refusal(): Error | undefined {
    return this.#refusal;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#held) this.push(this.#held);
    this.#held = chunk;
    done();
  }

  override _flush(done: TransformCallback): void {
    void this.#end(done);
  }

  async #end(done: TransformCallback): Promise<void> {
    try {
      await this.#beforeEnd();
    } catch (error) {
      this.#refusal = error instanceof Error ? error : new Error(String(error));
      done(this.#refusal);
      return;
    }
    this.#isOpen = true;
    done(null, this.#held);
  }
}
