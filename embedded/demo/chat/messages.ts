import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { eventually, StepFailed } from '../patience.ts';
import type { DemoContext } from '../stage.ts';
import type { ChatLine } from './lines.ts';

const LOOK_EVERY_MS = 50;
export const WITHIN = { withinMs: 60_000 };

export const Made = z.object({ id: z.string() });
const Message = z.object({
  id: z.string(),
  provider_message_id: z.string().nullable(),
  ticket_id: z.string().nullable(),
  status: z.string(),
  content: z.string().nullable(),
  attachments: z.array(z.object({ filename: z.string().nullable(), sha256: z.string() })),
});
type Message = z.infer<typeof Message>;
const Messages = z.object({ data: z.array(Message) });
export interface OpenLine extends ChatLine {
  readonly channelId: string;
}
export interface Talk {
  readonly line: OpenLine;
  readonly ticketId: string;
}

/** Each state that the message is seen in is said, until it was read; on a busy machine it may pass one unseen. */
export async function sendAndWatch(
  { api, terminal, signal }: DemoContext,
  { line, ticketId }: Talk,
  answer: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { id } = await api.post(`/v1/tickets/${ticketId}/messages`, answer, Made);
  const began = performance.now();
  let last = '';
  const message = await eventually(
    `${line.title} tells that the answer was read`,
    async () => {
      for (let looks = 0; looks < 3; looks += 1) {
        const found = await api.get(`/v1/messages/${id}`, Message);
        if (found.status !== last) {
          last = found.status;
          terminal.say(`${((performance.now() - began) / 1000).toFixed(1)} s  ${last}`);
        }
        if (['failed', 'uncertain'].includes(last))
          throw new StepFailed(`The answer is ${last}, where it should be read.`);
        if (last === 'read') return found;
        await sleep(LOOK_EVERY_MS);
      }
      return null;
    },
    { signal, ...WITHIN },
  );
  if (line.sent().filter((sent) => sent === message.provider_message_id).length !== 1)
    throw new StepFailed('Meta did not get the answer exactly once.');
}

/** The message of this vendor's id, once it is there. */
export async function arrival(
  { api, signal }: DemoContext,
  { channelId }: OpenLine,
  id: string,
): Promise<Message> {
  return eventually(
    'what was written became a message',
    async () => (await all(api, channelId)).find((one) => one.provider_message_id === id) ?? null,
    { signal, ...WITHIN },
  );
}

export async function inboundIds({ api }: DemoContext, { channelId }: OpenLine): Promise<string[]> {
  return (await all(api, channelId)).flatMap((one) => one.provider_message_id ?? []);
}

async function all(api: DemoContext['api'], channelId: string): Promise<Message[]> {
  return (await api.get(`/v1/messages?account_id=${channelId}&limit=100`, Messages)).data;
}
