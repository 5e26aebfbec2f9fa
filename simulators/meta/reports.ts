import { statusError, type Refusal } from './errors.ts';
import type { Hooks } from './hooks.ts';
import { seededRandom } from '../faults.ts';
import type { SentChat, SimAccount, SimNumber, SimPage, World } from './world.ts';

export type ReportKind = 'sent' | 'delivered' | 'read' | 'failed';

/** When what was sent is reported, in milliseconds after the send; null: not until it is asked for. */
export interface ReportPlan {
  sentMs: number | null;
  deliveredMs: number | null;
  readMs: number | null;
  /** Share of reports that are told later than their successors, from 0 to 1. */
  disorder: number;
}

/** Statuses of WhatsApp messages; deliveries, reads and echoes of Messenger. */
export class Reports {
  readonly plan: ReportPlan = { sentMs: 5, deliveredMs: 20, readMs: null, disorder: 0 };
  readonly #world: World;
  readonly #hooks: Hooks;
  readonly #random = seededRandom(11);

  constructor(world: World, hooks: Hooks) {
    this.#world = world;
    this.#hooks = hooks;
  }

  /** A message was taken: its reports are told in time. */
  schedule(line: SimNumber | SimPage, sent: SentChat, failure: Refusal | null): void {
    const { sentMs, deliveredMs, readMs, disorder } = this.plan;
    if (failure) return this.#later(sentMs ?? 0, () => this.report(line, sent, 'failed', failure));
    const steps: [ReportKind, number | null][] = [
      ['sent', line.kind === 'number' ? sentMs : null],
      ['delivered', deliveredMs],
      ['read', readMs],
    ];
    for (const [kind, ms] of steps) {
      if (ms === null) continue;
      const late = this.#random() < disorder ? 100 : 0;
      this.#later(ms + late, () => this.report(line, sent, kind));
    }
  }

  /** Tells a report now. */
  report(line: SimNumber | SimPage, sent: SentChat, kind: ReportKind, failure?: Refusal): void {
    sent.statuses.push(kind);
    if (line.kind === 'number') return this.#status(line, sent, kind, failure);
    if (kind === 'delivered' || kind === 'read') this.#watermark(line, sent, kind);
  }

  /** The page's own messages come back to every app that watches it. */
  echo(page: SimPage, to: string, message: Readonly<Record<string, unknown>>): void {
    this.tellPage(page, 'message_echoes', {
      sender: { id: page.id },
      recipient: { id: to },
      timestamp: this.#world.now(),
      message: { ...message, is_echo: true },
    });
  }

  /** https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status */
  #status(
    number: SimNumber,
    sent: SentChat,
    kind: ReportKind,
    failure: Refusal = { code: 131026 },
  ) {
    const category = sent.body['type'] === 'template' ? 'utility' : 'service';
    const note = sent.body['biz_opaque_callback_data'];
    this.tellNumber(number, {
      statuses: [
        {
          id: sent.id,
          status: kind,
          timestamp: String(Math.floor(this.#world.now() / 1000)),
          recipient_id: sent.to,
          ...(note !== undefined && { biz_opaque_callback_data: note }),
          ...(kind === 'failed'
            ? { errors: [statusError(failure)] }
            : {
                pricing: {
                  billable: category !== 'service',
                  pricing_model: 'PMP',
                  category,
                  type: category === 'service' ? 'free_customer_service' : 'regular',
                },
              }),
        },
      ],
    });
  }

  /** https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/message-deliveries */
  #watermark(page: SimPage, sent: SentChat, kind: 'delivered' | 'read'): void {
    const watermark = sent.at.getTime() + 1;
    this.tellPage(page, kind === 'read' ? 'message_reads' : 'message_deliveries', {
      sender: { id: sent.to },
      recipient: { id: page.id },
      timestamp: this.#world.now(),
      ...(kind === 'read' ? { read: { watermark } } : { delivery: { mids: [sent.id], watermark } }),
    });
  }

  tellNumber(
    number: SimNumber,
    value: Readonly<Record<string, unknown>>,
    field = 'messages',
  ): void {
    const { account, app, id, display } = number;
    if (!account.subscribed) return;
    this.#hooks.tell({
      app,
      object: 'whatsapp_business_account',
      entryId: account.id,
      url: account.overrideUrl,
      field,
      content: {
        messaging_product: 'whatsapp',
        metadata: { display_phone_number: display.replace(/\D/g, ''), phone_number_id: id },
        ...value,
      },
    });
  }

  /** Of the account as a whole: no number is named. */
  tellAccount(
    account: SimAccount,
    field: string,
    content: Readonly<Record<string, unknown>>,
  ): void {
    if (!account.subscribed) return;
    this.#hooks.tell({
      app: account.app,
      object: 'whatsapp_business_account',
      entryId: account.id,
      url: account.overrideUrl,
      field,
      content,
    });
  }

  /** Only what the page is subscribed to. */
  tellPage(page: SimPage, field: string, event: Readonly<Record<string, unknown>>): void {
    if (!page.fields.has(field)) return;
    this.#hooks.tell({
      app: page.app,
      object: 'page',
      entryId: page.id,
      url: null,
      content: event,
    });
  }

  #later(ms: number, report: () => void): void {
    this.#hooks.track(new Promise((resolve) => setTimeout(resolve, ms)).then(report));
  }
}
