import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { RunningState } from '../running-state.ts';
import type { Api } from './api.ts';
import type { CleanUp } from './clean-up.ts';
import { customersServer, type CustomersServer } from './mail.ts';
import { eventually } from './patience.ts';
import type { Terminal } from './terminal.ts';
import { webhookReceiver, type WebhookReceiver } from './webhook-receiver.ts';

export interface DemoContext {
  readonly running: RunningState;
  readonly api: Api;
  readonly terminal: Terminal;
  readonly cleanUp: CleanUp;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** What the story plays on: all of it made for this run, and of no meaning to other tickets. */
export interface Stage {
  readonly receiver: WebhookReceiver;
  readonly endpointId: string;
  readonly customers: CustomersServer;
  readonly channel: {
    readonly id: string;
    readonly address: string;
    readonly workflowUrl: string;
  };
  readonly policyId: string;
}

const Made = z.object({ id: z.string() });
const MadeEndpoint = Made.extend({ secret: z.string() });
const MadeChannel = Made.extend({ workflow_url: z.string() });
const ChannelStatus = z.object({ state: z.string(), detail: z.string() });
export const Deliveries = z.object({
  data: z.array(z.object({ event_id: z.string(), status: z.string(), workflow_url: z.string() })),
});

/** Business minutes; fractions make the story short. */
const NEXT_RESPONSE_MINUTES = 0.2;
const ESCALATE_AFTER_MINUTES = 0.05;
const CALM = { first_response_minutes: 60, resolution_minutes: 240 };
const TARGETS = { ...CALM, next_response_minutes: NEXT_RESPONSE_MINUTES };

export async function setStage(context: DemoContext): Promise<Stage> {
  const run = randomBytes(3).toString('hex');
  const { receiver, endpointId } = await openReceiver(context);
  const { customers, channel } = await openChannel(context, run);
  const policyId = await promise(context, run, channel.id);
  return { receiver, endpointId, customers, channel, policyId };
}

async function openReceiver({ api, terminal, cleanUp, signal }: DemoContext) {
  await terminal.step('A webhook receiver opens on this machine');
  const receiver = await webhookReceiver();
  cleanUp.add('The webhook receiver', () => receiver.close());
  const made = await api.post(
    '/v1/webhook-endpoints',
    { url: receiver.url, events: ['*'], description: 'npm run demo' },
    MadeEndpoint,
  );
  const { id, secret } = made;
  receiver.expectSecret(secret);
  cleanUp.add(`Webhook endpoint ${id}`, async () => {
    await untilDelivered(api, id, signal);
    await api.delete(`/v1/webhook-endpoints/${id}`);
  });
  terminal.say(`${receiver.url} is endpoint ${id}, for every event.`);
  return { receiver, endpointId: id };
}

/** An endpoint that goes while something is on its way would end that as failed. */
async function untilDelivered(api: Api, id: string, given: AbortSignal): Promise<void> {
  if (given.aborted) return;
  const path = `/v1/webhook-endpoints/${id}/deliveries?status=pending`;
  await eventually(
    'every webhook was delivered',
    async () => ((await api.get(path, Deliveries)).data.length === 0 ? true : null),
    { signal: new AbortController().signal },
  );
}

async function openChannel({ api, terminal, cleanUp, signal }: DemoContext, run: string) {
  await terminal.step('A mail channel begins to listen');
  const customers = await customersServer();
  cleanUp.add('The customer’s mail server', () => customers.close());
  const address = `demo-${run}@demo.example`;
  const made = await api.post(
    '/v1/channels',
    {
      provider: 'smtp',
      name: `Demo ${run}`,
      address,
      settings: { smtp: { host: '127.0.0.1', port: customers.port, security: 'none' } },
    },
    MadeChannel,
  );
  cleanUp.add(`Channel ${made.id}`, () => api.delete(`/v1/channels/${made.id}`));
  await eventually(
    `channel ${made.id} watches for mail`,
    async () => {
      const { state } = await api.get(`/v1/channels/${made.id}/status`, ChannelStatus);
      return state === 'watching' ? true : null;
    },
    { signal },
  );
  terminal.say(`${address} takes mail; answers leave by a mail server of the customer's,`);
  terminal.say(`which this demo plays on port ${customers.port}.`);
  terminal.link(made.workflow_url);
  return { customers, channel: { id: made.id, address, workflowUrl: made.workflow_url } };
}

/** An SLA for this channel alone. */
async function promise(
  { api, terminal, cleanUp }: DemoContext,
  run: string,
  channelId: string,
): Promise<string> {
  await terminal.step('An SLA policy with shortened clocks, for this channel alone');
  const { id } = await api.post(
    '/v1/sla-policies',
    {
      name: `Demo ${run}`,
      position: 0,
      conditions: { channels: [channelId] },
      targets: { low: TARGETS, normal: TARGETS, high: TARGETS, urgent: TARGETS },
      warn_at_percent: [50],
      escalations: [
        {
          level: 1,
          metric: 'next_response',
          after_minutes: ESCALATE_AFTER_MINUTES,
          actions: [{ type: 'raise_priority', to: 'urgent' }],
        },
      ],
    },
    Made,
  );
  cleanUp.add(`SLA policy ${id}`, () => api.delete(`/v1/sla-policies/${id}`));
  terminal.say(
    `A customer who has been answered and writes again is answered within ${NEXT_RESPONSE_MINUTES * 60} seconds;`,
  );
  terminal.say(
    `a warning comes at half of it, an escalation ${ESCALATE_AFTER_MINUTES * 60} seconds after it.`,
  );
  return id;
}
