import { Context } from '@temporalio/activity';
import type { SendReceipt } from '../providers/contract.ts';

const SIGN_OF_LIFE_MS = 10_000;

/** Heartbeats while the attempt lasts; once the outside has taken the message, they carry its receipt to the next attempt. */
export class SendSigns {
  #receipt: SendReceipt | null = null;
  readonly #timer: NodeJS.Timeout;
  readonly #context = Context.current();

  constructor() {
    this.#timer = setInterval(() => this.#beat(), SIGN_OF_LIFE_MS);
  }

  receiptOfEarlierAttempt(): SendReceipt | null {
    const details = this.#context.info.heartbeatDetails as { receipt?: SendReceipt } | undefined;
    return details?.receipt ?? null;
  }

  /** @throws when the attempt was cancelled. */
  show(): void {
    this.#beat();
    this.#context.cancellationSignal.throwIfAborted();
  }

  keep(receipt: SendReceipt): void {
    this.#receipt = { providerMessageId: receipt.providerMessageId, messageId: receipt.messageId };
    this.#beat();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #beat(): void {
    this.#context.heartbeat(this.#receipt ? { receipt: this.#receipt } : undefined);
  }
}
