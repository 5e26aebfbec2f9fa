import type { Router } from 'express';
import { rawBody } from '../server.ts';
import { asked } from './queries.ts';
import type { GraphSimulator } from './simulator.ts';

/**
 * Under `/_control`: `POST /mail?to=ADDRESS` (a raw mail), `GET /sent?from=ADDRESS`, `POST /lifecycle?event=EVENT`,
 * `POST /forget-deltas`, `POST /revoke-consent?of=ADDRESS`, `POST /silence`, `POST /no-batches`.
 */
export function graphControls(
  control: Router,
  parts: Pick<
    GraphSimulator,
    'deliver' | 'mailbox' | 'subscriptions' | 'deltas' | 'consent' | 'batching'
  >,
): void {
  control.post('/mail', (request, response) => {
    const message = parts.deliver(asked(request, 'to') ?? '', rawBody(request));
    response.status(201).json({ id: message.immutableId });
  });
  control.get('/sent', (request, response) => {
    const { sent } = parts.mailbox(asked(request, 'from') ?? '');
    response.json(sent.map(({ raw, ...rest }) => ({ ...rest, raw: raw.toString('base64') })));
  });
  control.post('/lifecycle', async (request, response) => {
    const event = ['reauthorizationRequired', 'subscriptionRemoved', 'missed'] as const;
    const wanted = event.find((name) => name === asked(request, 'event'));
    if (!wanted)
      return void response.status(400).json({ error: `event is one of ${event.join(', ')}` });
    await parts.subscriptions.lifecycle(wanted);
    response.status(204).end();
  });
  control.post('/forget-deltas', (_request, response) => {
    parts.deltas.forget();
    response.status(204).end();
  });
  control.post('/revoke-consent', async (request, response) => {
    await parts.consent.revoke(asked(request, 'of') ?? '');
    response.status(204).end();
  });
  control.post('/no-batches', (_request, response) => {
    parts.batching.isOn = false;
    response.status(204).end();
  });
  control.post('/silence', (_request, response) => {
    parts.subscriptions.isSilent = true;
    response.status(204).end();
  });
}
