import { randomUUID } from 'node:crypto';
import type { Request, Response, Router } from 'express';
import { graphError } from './errors.ts';
import type { SimMailbox, SimMessage } from './state.ts';

/** Outlook messages: https://learn.microsoft.com/graph/change-notifications-overview#subscription-lifetime */
const LONGEST_MS = 4230 * 60_000;
/** Notifications of about the same time come in one call. */
const GATHER_MS = 20;
const ANSWER_MS = 10_000;

export interface SimSubscription {
  readonly id: string;
  readonly resource: string;
  readonly changeType: string;
  readonly notificationUrl: string;
  readonly lifecycleNotificationUrl: string | null;
  readonly clientState: string | null;
  expirationDateTime: string;
  readonly mailbox: SimMailbox;
  readonly folderId: string | null;
}

export type LifecycleEvent = 'reauthorizationRequired' | 'subscriptionRemoved' | 'missed';

/** A call of a subscriber's door, and how it answered; status 0: not at all. */
export interface SeenNotification {
  readonly url: string;
  readonly body: string;
  readonly status: number;
}

/** Change notifications: subscriptions, their handshakes, and the calls that they lead to. */
export class Subscriptions {
  readonly all = new Map<string, SimSubscription>();
  readonly notifications: SeenNotification[] = [];
  /** Subscriptions live on and are renewed, but no call is made any more. */
  isSilent = false;
  readonly #tenantId: string;
  readonly #gathered = new Map<string, object[]>();
  #delivering: Promise<unknown> = Promise.resolve();

  constructor(tenantId: string) {
    this.#tenantId = tenantId;
  }

  /** A message came into its folder. */
  created(mailbox: SimMailbox, message: SimMessage): void {
    for (const subscription of this.#live())
      if (
        subscription.mailbox === mailbox &&
        subscription.changeType.split(',').includes('created') &&
        (subscription.folderId ?? message.folderId) === message.folderId
      )
        this.#gather(subscription, message);
  }

  /** @param id of one subscription; all when left out */
  async lifecycle(event: LifecycleEvent, id?: string): Promise<void> {
    for (const subscription of this.#live()) {
      if (id !== undefined && subscription.id !== id) continue;
      if (event === 'subscriptionRemoved') this.all.delete(subscription.id);
      if (subscription.lifecycleNotificationUrl === null) continue;
      const { clientState, expirationDateTime } = subscription;
      await this.#post(subscription.lifecycleNotificationUrl, {
        value: [
          {
            subscriptionId: subscription.id,
            subscriptionExpirationDateTime: expirationDateTime,
            tenantId: this.#tenantId,
            clientState,
            lifecycleEvent: event,
          },
        ],
      });
    }
  }

  /** Until every call that was due has been answered. */
  async settled(): Promise<void> {
    while (this.#gathered.size > 0) await new Promise((done) => setTimeout(done, GATHER_MS));
    await this.#delivering;
  }

  routes(api: Router, mailboxOf: (request: Request, resource: string) => SimMailbox | null): void {
    api.get('/subscriptions', (_request, response) => {
      response.json({ value: this.#live().map(shownSubscription) });
    });
    api.post('/subscriptions', (request, response) => this.#create(request, response, mailboxOf));
    api.patch('/subscriptions/:id', (request, response) => {
      const subscription = this.#find(request.params.id, response);
      if (!subscription) return;
      const { expirationDateTime } = request.body as { expirationDateTime: string }; // as described
      if (isTooLong(expirationDateTime)) return tooLong(response);
      subscription.expirationDateTime = expirationDateTime;
      response.json(shownSubscription(subscription));
    });
    api.post('/subscriptions/:id/reauthorize', (request, response) => {
      if (this.#find(request.params.id, response)) response.status(204).end();
    });
    api.delete('/subscriptions/:id', (request, response) => {
      if (!this.#find(request.params.id, response)) return;
      this.all.delete(request.params.id);
      response.status(204).end();
    });
  }

  #live(): SimSubscription[] {
    for (const { id, expirationDateTime } of this.all.values())
      if (Date.parse(expirationDateTime) <= Date.now()) this.all.delete(id);
    return [...this.all.values()];
  }

  #find(id: string, response: Response): SimSubscription | undefined {
    const found = this.#live().find((subscription) => subscription.id === id);
    if (!found) graphError(response, 404, 'ResourceNotFound', 'The object was not found.');
    return found;
  }

  async #create(
    request: Request,
    response: Response,
    mailboxOf: (request: Request, resource: string) => SimMailbox | null,
  ): Promise<void> {
    const wanted = request.body as Omit<SimSubscription, 'id'>; // as described
    const mailbox = mailboxOf(request, wanted.resource);
    if (!mailbox)
      return graphError(response, 404, 'ResourceNotFound', 'The resource is not known.');
    if (isTooLong(wanted.expirationDateTime)) return tooLong(response);
    for (const url of [wanted.notificationUrl, wanted.lifecycleNotificationUrl])
      if (url != null && !(await shakesHands(url)))
        return graphError(
          response,
          400,
          'ValidationError',
          'Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request.',
        );
    const folder = /mailfolders(?:\('|\/)([^'/)]+)/i.exec(wanted.resource)?.[1];
    const subscription: SimSubscription = {
      id: randomUUID(),
      resource: wanted.resource,
      changeType: wanted.changeType,
      notificationUrl: wanted.notificationUrl,
      lifecycleNotificationUrl: wanted.lifecycleNotificationUrl ?? null,
      clientState: wanted.clientState ?? null,
      expirationDateTime: wanted.expirationDateTime,
      mailbox,
      folderId:
        folder === undefined ? null : (mailbox.folder(decodeURIComponent(folder))?.id ?? null),
    };
    this.all.set(subscription.id, subscription);
    response.status(201).json(shownSubscription(subscription));
  }

  #gather(subscription: SimSubscription, message: SimMessage): void {
    if (this.isSilent) return;
    const url = subscription.notificationUrl;
    if (!this.#gathered.has(url)) {
      this.#gathered.set(url, []);
      setTimeout(() => {
        const value = this.#gathered.get(url)!;
        this.#gathered.delete(url);
        this.#delivering = Promise.all([this.#delivering, this.#post(url, { value })]);
      }, GATHER_MS);
    }
    const resource = `Users/${subscription.mailbox.userId}/Messages/${message.immutableId}`;
    this.#gathered.get(url)!.push({
      subscriptionId: subscription.id,
      subscriptionExpirationDateTime: subscription.expirationDateTime,
      changeType: 'created',
      tenantId: this.#tenantId,
      clientState: subscription.clientState,
      resource,
      resourceData: {
        '@odata.type': '#Microsoft.Graph.Message',
        '@odata.id': resource,
        '@odata.etag': 'W/"simulated"',
        id: message.immutableId,
      },
    });
  }

  async #post(url: string, content: object): Promise<void> {
    const body = JSON.stringify(content);
    const status = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body,
      signal: AbortSignal.timeout(ANSWER_MS),
    }).then(
      (answer) => answer.status,
      () => 0,
    );
    this.notifications.push({ url, body, status });
  }
}

function shownSubscription({
  mailbox: _mailbox,
  folderId: _folder,
  ...shown
}: SimSubscription): object {
  return { ...shown, clientState: null };
}

function isTooLong(expirationDateTime: string): boolean {
  return !(Date.parse(expirationDateTime) - Date.now() <= LONGEST_MS);
}

function tooLong(response: Response): void {
  graphError(
    response,
    400,
    'ValidationError',
    'Subscription expiration can only be 4230 minutes in the future.',
  );
}

/** https://learn.microsoft.com/graph/change-notifications-delivery-webhooks#notificationurl-validation */
async function shakesHands(url: string): Promise<boolean> {
  const token = `Validation: Testing client application reachability for subscription Request-Id: ${randomUUID()}`;
  const target = new URL(url);
  target.searchParams.set('validationToken', token);
  try {
    const answer = await fetch(target, {
      method: 'POST',
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const isPlain = (answer.headers.get('content-type') ?? '').startsWith('text/plain');
    return answer.status === 200 && isPlain && (await answer.text()) === token;
  } catch {
    return false;
  }
}
