import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { metaSimulator, type MetaSimulator } from '../../../simulators/meta/simulator.ts';
import { violationsOf } from '../channels/violations.ts';
import { eventually, StepFailed } from '../patience.ts';
import type { DemoContext } from '../stage.ts';
import { messengerLine, whatsappLine, type ChatLine } from './lines.ts';
import { Made, WITHIN, type OpenLine, type Talk } from './messages.ts';
import { afterWindow, answerOut, pictureIn, sayWindow, textIn, TicketView } from './talk.ts';

/** In place of Meta's 24 hours. */
const WINDOW_SECONDS = 30;
/** After so many milliseconds the customer's phone tells of what was sent. */
const RECEIPTS = { sentMs: 1000, deliveredMs: 2000, readMs: 3000 };

const ChannelStatus = z.object({
  state: z.string(),
  detail: z.string(),
  last_error: z.object({ detail: z.string() }).nullable(),
});

/** Both chats of Meta's, from the customer's first words to what may be said after the window. */
export async function playChat(context: DemoContext): Promise<void> {
  const { meta, lines } = await open(context);
  const talks: Talk[] = [];
  for (const line of lines) {
    const talk = { line, ticketId: await textIn(context, line) };
    await pictureIn(context, talk);
    await answerOut(context, talk);
    talks.push(talk);
  }
  await windowEnds(context, talks);
  for (const talk of talks) await afterWindow(context, talk);
  const [violation] = violationsOf(meta);
  if (violation !== undefined) throw new StepFailed(`Not as Meta describes it: ${violation}`);
}

async function open(context: DemoContext): Promise<{ meta: MetaSimulator; lines: OpenLine[] }> {
  const { terminal, cleanUp, running } = context;
  await terminal.step('Meta opens on this machine: one app, a number and a page');
  const meta = await metaSimulator();
  cleanUp.add('Meta', () => meta.close());
  Object.assign(meta.reports.plan, RECEIPTS);
  meta.world.windowMs = WINDOW_SECONDS * 1000;
  const digits = String(randomInt(100_000, 999_999));
  const lines = [];
  for (const line of [whatsappLine(meta, digits), messengerLine(meta, digits)])
    lines.push({ ...line, channelId: await openChannel(context, line) });
  const door = `${running.apiUrl}/ingress/meta`;
  await meta.connect(door);
  terminal.say(`Meta shook hands with ${door} by the verify token, and calls it from now on.`);
  for (const { title, channelId } of lines) await untilWatching(context, title, channelId);
  return { meta, lines };
}

async function openChannel({ api, terminal, cleanUp }: DemoContext, line: ChatLine) {
  const { title, provider } = line;
  const settings = { ...line.settings, window_seconds: WINDOW_SECONDS };
  const { id } = await api.post(
    '/v1/channels',
    { provider, name: `Demo ${title}`, settings },
    Made,
  );
  cleanUp.add(`Channel ${id}`, () => api.delete(`/v1/channels/${id}`));
  terminal.say(`${title} is channel ${id}; its window lasts ${WINDOW_SECONDS} seconds here.`);
  return id;
}

async function untilWatching({ api, signal }: DemoContext, title: string, channelId: string) {
  await eventually(
    `${title} is open`,
    async () => {
      const { state, detail, last_error } = await api.get(
        `/v1/channels/${channelId}/status`,
        ChannelStatus,
      );
      if (state === 'needs_attention')
        throw new StepFailed(`${title} needs attention: ${last_error?.detail ?? detail}`);
      return state === 'watching' ? true : null;
    },
    { signal, ...WITHIN },
  );
}

async function windowEnds(context: DemoContext, talks: readonly Talk[]): Promise<void> {
  const { api, terminal, signal } = context;
  await terminal.step('Nobody writes until both windows have ended');
  for (const { ticketId } of talks) {
    const { conversation } = await api.get(`/v1/tickets/${ticketId}`, TicketView);
    sayWindow(context, conversation);
  }
  await sleep(WINDOW_SECONDS * 1000, undefined, { signal });
}
