import type { Router } from 'express';
import { z } from 'zod';
import type { ConsentEnd } from '../oidc/consent-end.ts';
import { rawBody } from '../server.ts';
import type { PubSub } from './pubsub.ts';
import type { SimulatedAccount } from './simulator.ts';

interface Controlled {
  readonly account: (address: string) => Promise<SimulatedAccount>;
  readonly consent: ConsentEnd;
  readonly pubsub: PubSub;
}

const Subscription = z.strictObject({
  topic: z.string(),
  endpoint: z.url(),
  audience: z.string(),
  serviceAccount: z.email(),
});

/**
 * `POST /_control/mail?to=ADDRESS&labels=INBOX,UNREAD` (a raw mail comes in) · `GET /_control/sent?from=ADDRESS` ·
 * `POST /_control/subscriptions` {topic, endpoint, audience, serviceAccount} · `GET /_control/pushes` ·
 * `POST /_control/history/expire?of=ADDRESS` · `POST /_control/revoke?of=ADDRESS`
 */
export function gmailControls(control: Router, { account, consent, pubsub }: Controlled): void {
  const addressed = (value: unknown) => account(typeof value === 'string' ? value : '');
  control.post('/mail', async (request, response) => {
    const { to, labels } = request.query;
    const { mailbox } = await addressed(to);
    const { id, threadId } = mailbox.deliver(
      rawBody(request),
      typeof labels === 'string' ? { labels: labels.split(',') } : {},
    );
    response.status(201).json({ id, threadId });
  });
  control.get('/sent', async (request, response) => {
    const { mailbox } = await addressed(request.query.from);
    response.json(mailbox.sent.map(String));
  });
  control.post('/subscriptions', (request, response) => {
    const wanted = Subscription.safeParse(request.body);
    if (!wanted.success) {
      response.status(400).json({ error: z.prettifyError(wanted.error) });
      return;
    }
    pubsub.subscribe(wanted.data);
    response.status(204).end();
  });
  control.get('/pushes', (_request, response) => {
    response.json(pubsub.pushes.map(({ endpoint, statuses }) => ({ endpoint, statuses })));
  });
  control.post('/history/expire', async (request, response) => {
    (await addressed(request.query.of)).mailbox.expireHistory();
    response.status(204).end();
  });
  control.post('/revoke', async (request, response) => {
    await consent.revoke((await addressed(request.query.of)).mailbox.address);
    response.status(204).end();
  });
}
