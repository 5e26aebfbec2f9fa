import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { inTenant } from '../../db/connection.ts';
import { FIRST_DELIVERY, generateMails, type GeneratedMail } from '../generator/mails.ts';
import { eventually } from '../harness/eventually.ts';
import { gatherEvidence } from './evidence.ts';
import { httpDoor, sendUntilAccepted, smtpDoor, type Door } from './senders.ts';
import { expectStatus, imapChannel, mimeChannel, smtpChannel, type Stage } from './stage.ts';

/** What must be found when all has come to rest. */
export interface Expected {
  /** Mails that a door accepted or that lie in the mailbox: hash of the source, and conversation. */
  readonly mails: { readonly sha256: string; readonly thread: string | null }[];
  /** Answers that agents gave, by message id of the API. */
  readonly answers: string[];
  /** Seconds from a ticket's birth to its deadline; null where no clock is looked at. */
  readonly targetSeconds: number | null;
}

/** Something the product is in the middle of when a part of it is killed. */
export interface Activity {
  /** Settles when the outside has done its part. */
  readonly act: () => Promise<void>;
  /** From 0 to 1; the kill comes at a random share. */
  readonly progress: () => Promise<number> | number;
  readonly expected: Expected;
}

export const MOMENTS = {
  import: importing,
  smtp: receivingBySmtp,
  http: receivingByHttp,
  clock: clocksRunningOut,
  reply: replying,
  delivery: delivering,
  renumbering,
} as const satisfies Record<string, (stage: Stage) => Promise<Activity>>;
export type Moment = keyof typeof MOMENTS;

/** As the table says it. */
export const MOMENT_TITLES: Readonly<Record<Moment, string>> = {
  import: 'ingesting a mailbox',
  smtp: 'receiving by SMTP',
  http: 'receiving by HTTP',
  clock: 'SLA clocks run out',
  reply: 'answers being sent',
  delivery: 'deliveries being made',
  renumbering: 'UIDVALIDITY changed',
};

/** Webhook endpoints of a scene; deliveries want some. */
export const ENDPOINTS: Readonly<Partial<Record<Moment, number>>> = { delivery: 2 };

const IMPORTED = 90;
const RECEIVED = 60;
const ANSWERS = 10;
const CLOCKS = 12;
const TARGET_SECONDS = 6;
export const WARN_AT_PERCENT = 50;
export const ESCALATE_AFTER_MS = 1_200;
const BETWEEN_CLOCKS_MS = 350;
const RENUMBERED = { before: 50, after: 20 };
/** Share of deliveries whose first attempt the receiver spoils. */
const SPOILED = 0.15;

async function importing(stage: Stage): Promise<Activity> {
  const mails = someMails(stage, IMPORTED);
  const channel = await imapChannel(stage, FIRST_DELIVERY.toISOString().slice(0, 10));
  for (const { raw, deliveredAt } of mails)
    stage.mailServer.deliver(channel.username, raw, { at: deliveredAt });
  return {
    act: async () => {
      await channel.make();
    },
    progress: () => shareOfSources(stage, mails.length),
    expected: expecting(mails),
  };
}

async function receivingBySmtp(stage: Stage): Promise<Activity> {
  const { address } = await smtpChannel(stage);
  return receiving(stage, smtpDoor(stage.installation.smtpPort, address), RECEIVED);
}

async function receivingByHttp(stage: Stage): Promise<Activity> {
  const { url, token } = await mimeChannel(stage);
  return receiving(stage, httpDoor(url, token), RECEIVED);
}

async function receiving(stage: Stage, door: Door, count: number): Promise<Activity> {
  const mails = someMails(stage, count);
  let accepted = 0;
  return {
    act: async () => {
      await sendUntilAccepted(door, mails.map(onTheWire), () => (accepted += 1));
    },
    progress: () => accepted / count,
    expected: expectingAtDoor(mails),
  };
}

/** Tickets that nobody answers, their deadlines one after the other: warning, breach, escalation. */
async function clocksRunningOut(stage: Stage): Promise<Activity> {
  const { id, address } = await smtpChannel(stage);
  const minutes = { first_response_minutes: TARGET_SECONDS / 60 };
  expectStatus(
    await stage.call('POST', '/v1/sla-policies', {
      name: stage.name,
      conditions: { channels: [id] },
      targets: { low: minutes, normal: minutes, high: minutes, urgent: minutes },
      warn_at_percent: [WARN_AT_PERCENT],
      escalations: [
        { level: 1, after_minutes: ESCALATE_AFTER_MS / 60_000, actions: [{ type: 'emit_event' }] },
      ],
    }),
    201,
  );
  const door = smtpDoor(stage.installation.smtpPort, address);
  const mails = openers(stage, CLOCKS);
  const spanMs = CLOCKS * BETWEEN_CLOCKS_MS + TARGET_SECONDS * 1000;
  let begun = 0;
  return {
    act: async () => {
      begun = Date.now();
      await sendUntilAccepted(door, mails.map(onTheWire), () => undefined, BETWEEN_CLOCKS_MS);
      await sleep(Math.max(0, begun + spanMs - Date.now()));
    },
    progress: () => (begun === 0 ? 0 : (Date.now() - begun) / spanMs),
    expected: { ...expectingAtDoor(mails), targetSeconds: TARGET_SECONDS },
  };
}

/** By a channel with a Sent folder or by one without: told apart by the scene's chance. */
async function replying(stage: Stage): Promise<Activity> {
  const mails = openers(stage, ANSWERS);
  const isDoor = stage.random.chance(0.5);
  if (isDoor) {
    const { address } = await smtpChannel(stage);
    await sendUntilAccepted(smtpDoor(stage.installation.smtpPort, address), mails.map(onTheWire));
  } else {
    const channel = await imapChannel(stage, FIRST_DELIVERY.toISOString().slice(0, 10));
    for (const { raw } of mails) stage.mailServer.deliver(channel.username, raw);
    await channel.make();
  }
  const tickets = await untilTickets(stage, ANSWERS);
  const expected = isDoor ? expectingAtDoor(mails) : expecting(mails);
  return {
    act: async () => {
      await Promise.all(
        tickets.map(async (ticketId, at) => {
          await sleep(at * 60);
          const answer = await stage.call('POST', `/v1/tickets/${ticketId}/messages`, {
            text: `Answer ${at}.`,
          });
          if (answer.status >= 300)
            throw new Error(`An answer was refused: ${JSON.stringify(answer)}`);
          expected.answers.push(answer.body.id as string);
        }),
      );
    },
    progress: () => sentOf(stage) / ANSWERS,
    expected,
  };
}

async function delivering(stage: Stage): Promise<Activity> {
  const { address } = await smtpChannel(stage);
  const seen = new Set<string>();
  stage.receivers.answerWith(({ path, headers }) => {
    const delivery = `${path} ${String(headers['webhook-id'])}`;
    const isFirst = !seen.has(delivery);
    seen.add(delivery);
    if (!stage.hooks.includes(path)) return {};
    const delayMs = stage.random.int(0, 120);
    if (!isFirst || !stage.random.chance(SPOILED)) return { delayMs };
    return stage.random.chance(0.5) ? { delayMs, status: 500 } : { fault: 'drop' };
  });
  const door = smtpDoor(stage.installation.smtpPort, address);
  const received = await receiving(stage, door, RECEIVED);
  return {
    ...received,
    // At least one event for each mail.
    progress: () => seen.size / (RECEIVED * stage.hooks.length),
  };
}

/** The mail server counts its mails anew while new ones arrive: everything is walked again, nothing doubled. */
async function renumbering(stage: Stage): Promise<Activity> {
  const mails = someMails(stage, RENUMBERED.before + RENUMBERED.after);
  const channel = await imapChannel(stage, FIRST_DELIVERY.toISOString().slice(0, 10));
  const put = ({ raw, deliveredAt }: GeneratedMail) =>
    stage.mailServer.deliver(channel.username, raw, { at: deliveredAt });
  mails.slice(0, RENUMBERED.before).forEach(put);
  const channelId = await channel.make();
  const before = await untilWalked(stage, channelId);
  return {
    act: async () => {
      await stage.mailServer.renumber(channel.username);
      mails.slice(RENUMBERED.before).forEach(put);
      await stage.call('POST', `/v1/channels/${channelId}/sync`);
    },
    progress: async () => {
      const cursor = await cursorOf(stage, channelId);
      if (cursor === null || cursor.uidvalidity === before) return 0;
      return cursor.walk ? cursor.walk.done / cursor.walk.total : 1;
    },
    expected: expecting(mails),
  };
}

function someMails(stage: Stage, count: number): GeneratedMail[] {
  const seed = stage.random.uint32();
  return [...generateMails({ seed, count, attachmentBytes: 20 * 1024 })];
}

/** First mails of conversations of their own. */
function openers(stage: Stage, count: number): GeneratedMail[] {
  const first = new Map<string, GeneratedMail>();
  for (const mail of someMails(stage, count * 8))
    if (mail.truth.kind === 'message' && mail.truth.thread && !first.has(mail.truth.thread))
      first.set(mail.truth.thread, mail);
  return [...first.values()].slice(0, count);
}

/** As any mail server hands it on. */
export function onTheWire({ raw }: GeneratedMail): Buffer {
  const text = raw.toString('latin1').replaceAll(/\r?\n/g, '\r\n');
  return Buffer.from(text.endsWith('\r\n') ? text : `${text}\r\n`, 'latin1');
}

/** What a door gets. */
export function expectingAtDoor(mails: readonly GeneratedMail[]): Expected {
  const { answers, targetSeconds } = expecting(mails);
  return {
    mails: mails.map((mail) => ({
      sha256: createHash('sha256').update(onTheWire(mail)).digest('hex'),
      thread: mail.truth.thread,
    })),
    answers,
    targetSeconds,
  };
}

function expecting(mails: readonly GeneratedMail[]): Expected {
  return {
    mails: mails.map(({ truth }) => ({ sha256: truth.sourceSha256, thread: truth.thread })),
    answers: [],
    targetSeconds: null,
  };
}

async function shareOfSources({ installation, tenantId }: Stage, count: number): Promise<number> {
  const { found } = await inTenant(installation.deps.db, tenantId, (tx) =>
    tx
      .selectFrom('sources')
      .select((eb) => eb.fn.countAll<number>().as('found'))
      .executeTakeFirstOrThrow(),
  );
  return found / count;
}

async function untilTickets(stage: Stage, count: number): Promise<string[]> {
  let ids: string[] = [];
  await eventually(async () => {
    const { tickets } = await gatherEvidence(stage);
    if (tickets.length < count) throw new Error(`${tickets.length} of ${count} tickets are there.`);
    ids = tickets.map(({ id }) => id);
  }, 120_000);
  return ids;
}

function sentOf({ customers, name }: Stage): number {
  return customers.mails.filter(({ raw }) => raw.includes(name)).length;
}

interface Cursor {
  readonly uidvalidity: string;
  readonly walk?: { readonly done: number; readonly total: number };
}

async function cursorOf(
  { installation, tenantId }: Stage,
  channelId: string,
): Promise<Cursor | null> {
  const row = await inTenant(installation.deps.db, tenantId, (tx) =>
    tx
      .selectFrom('channel_cursors')
      .select('cursor')
      .where('channel_id', '=', channelId)
      .executeTakeFirst(),
  );
  return (row?.cursor as Cursor | null | undefined) ?? null; // as the IMAP provider keeps it
}

/** Returns the UIDVALIDITY under which all of it was read. */
async function untilWalked(stage: Stage, channelId: string): Promise<string> {
  let uidvalidity = '';
  await eventually(async () => {
    const cursor = await cursorOf(stage, channelId);
    const { body } = await stage.call('GET', `/v1/channels/${channelId}/status`);
    if (cursor === null || cursor.walk || body.state !== 'watching')
      throw new Error(`The mailbox was not read to its end: ${JSON.stringify(body)}`);
    uidvalidity = cursor.uidvalidity;
  }, 120_000);
  return uidvalidity;
}
