// oxlint-disable unicorn/no-thenable -- a rule's `then` is an object, and awaits nothing
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ingestStaged } from '../../../activities/ingestion.ts';
import { loadChannel } from '../../../db/queries/channels.ts';
import { stageSource } from '../../../db/queries/sources.ts';
import { newId, type ChannelId } from '../../../domain/ids.ts';
import {
  TemporalUnavailable,
  type PendingWork,
  type Relay,
} from '../../../workflows/contracts/relay.ts';
import { eventually } from '../../harness/index.ts';
import { keepingSender } from '../../workflow/ticket-seed.ts';
import { applyingRelay } from '../../workflow/ticket-steps.ts';
import { startTestApi, type Client, type TestApi } from '../api-fixture.ts';
import { metaCall, WHATSAPP_SETTINGS } from '../chat/meta-call.ts';
import { ChatOutside, HOUR } from '../chat-answers/chat-seed.ts';
import { minute, scene, type Scene } from './scene.ts';
import { seedChannel } from '../../workflow/channel-seed.ts';

// Of what was kept without a ticket. What comes in is ingested by the product itself.

const ADA = '+491701234567';

let api: TestApi;
let client: Client;
let rows: Scene;
let chat: ChannelId;
let mail: ChannelId;
/** Of those that are to come: Temporal is away before the command is applied, or after. */
let lost: ('before' | 'after')[] = [];
const flushed: PendingWork[] = [];
const mailOutside = keepingSender();
const chatOutside = new ChatOutside();

const applying = applyingRelay(() => api.deps, {
  findProvider: (name) => (name === 'whatsapp' ? chatOutside.provider() : mailOutside.provider),
});
const relay: Relay = {
  ...applying,
  flush: (work: PendingWork) => {
    flushed.push(work);
    return Promise.resolve();
  },
  command: async (...asked) => {
    const when = lost.shift();
    if (when === 'before') throw new TemporalUnavailable('Temporal does not answer.');
    const outcome = await applying.command(...asked);
    if (when === 'after') throw new TemporalUnavailable('Temporal does not answer.');
    return outcome;
  },
};

beforeAll(async () => {
  api = await startTestApi({}, { relay });
});
afterAll(() => api.close());

/** A number and a mailbox; the number begins no tickets. */
beforeEach(async () => {
  lost = [];
  flushed.length = 0;
  client = await api.client(newId('tenant'));
  rows = scene(api.db, client.tenantId);
  chat = await channel('whatsapp', { ...WHATSAPP_SETTINGS, ticket_creation_enabled: false });
  mail = await channel('smtp', {}, 'help@shop.test');
});

async function channel(
  provider: string,
  settings: Record<string, unknown>,
  address: string | null = null,
  rules: object | null = null,
): Promise<ChannelId> {
  const shown = { provider, address, settings, rules, state: 'watching' };
  const { id } = await seedChannel(api.db, client.tenantId, shown);
  return id;
}

const started = () => flushed.flatMap(({ ticketStarts }) => [...ticketStarts.keys()]);

interface Shown {
  readonly id: string;
  readonly ticket_id: string | null;
  readonly content: string;
  readonly direction: string;
  readonly metadata: { readonly platform_specific: Record<string, unknown> };
}

async function receive(to: ChannelId, source: Buffer, providerMessageId: string | null) {
  const loaded = (await loadChannel(api.db, api.keys, client.tenantId, to))!;
  await stageSource(
    api.db,
    { ...loaded.facts, provider: loaded.provider },
    { source, providerMessageId, receivedAt: new Date() },
  );
  await ingestStaged(api.deps, loaded, () => {});
}

let written = 0;

/** Ada writes to the number, a second later each time. */
async function writes(text: string, more: object = {}): Promise<Shown> {
  const id = `wamid.${client.tenantId}.${(written += 1)}`;
  const timestamp = String(Math.floor(Date.now() / 1000) - 1000 + written);
  await receive(chat, metaCall({ id, type: 'text', text: { body: text }, timestamp, ...more }), id);
  const all = await messages();
  return all.find(({ content }) => content === text)!;
}

const messages = async (filter = ''): Promise<Shown[]> =>
  (await client.call('GET', `/v1/messages?limit=100${filter}`)).body.data;
const message = async (id: string): Promise<Shown> =>
  (await client.call('GET', `/v1/messages/${id}`)).body;
const tickets = async (): Promise<{ id: string; [field: string]: unknown }[]> =>
  (await client.call('GET', '/v1/tickets?limit=100')).body.data;
const make = (id: string, headers = {}) =>
  client.call('POST', `/v1/messages/${id}/ticket`, undefined, headers);
const reply = (id: string, body: object = {}, key?: string) =>
  client.call('POST', `/v1/messages/${id}/reply`, { text: 'On its way.', ...body }, key === undefined ? {} : { 'idempotency-key': key }); // prettier-ignore
interface Told {
  readonly type: string;
  readonly ticket_id: string | null;
  readonly sequence: number | null;
  readonly data: { readonly message?: Shown };
}
/** All that were written: the stream waits for transactions that began before, others' tests' too. */
async function events(): Promise<Told[]> {
  const all = await rows.inDb((tx) => tx.selectFrom('events').select('id').execute());
  let shown: Told[] = [];
  await eventually(async () => {
    shown = (await client.call('GET', '/v1/events?limit=100')).body.data;
    expect(shown).toHaveLength(all.length);
  });
  return shown;
}

describe('an answer to a message without a ticket', () => {
  it('begins its ticket, as ingestion would have, and what is said next goes there too', async () => {
    const first = await writes('Where is my lamp?');
    const second = await writes('It was order 7.');
    expect([first.ticket_id, second.ticket_id]).toEqual([null, null]);
    expect(first.metadata.platform_specific).toHaveProperty('ticketless');
    const before = (await events()).length;

    const { status, body } = await reply(first.id);
    expect([status, body]).toMatchObject([201, { status: 'queued', to: [{ address: ADA }] }]);
    const [ticket, ...others] = await tickets();
    expect(others).toEqual([]);
    expect(ticket).toMatchObject({
      id: body.ticket_id,
      subject: 'Where is my lamp?',
      status: 'open',
      channel: 'whatsapp',
      account_id: chat,
      requester: { name: 'Ada', addresses: [ADA] },
      message_count: 3,
    });
    const attached = await message(second.id);
    expect(attached.ticket_id).toBe(ticket!.id);
    expect(attached.metadata.platform_specific).not.toHaveProperty('ticketless');
    const told = (await events()).slice(before);
    expect(told.map(({ type, sequence, ticket_id: id }) => [type, sequence, id])).toEqual([
      ['ticket.created', 1, ticket!.id],
      ['message.updated', 2, ticket!.id],
      ['message.updated', 3, ticket!.id],
    ]);
    expect(told[1]!.data.message).toMatchObject({ id: first.id, ticket_id: ticket!.id });
    // Its workflow is started by the outbox, as any new ticket's.
    expect(started()).toEqual([ticket!.id]);

    const later = await writes('Thank you!');
    expect(later.ticket_id).toBe(ticket!.id);
    expect(await tickets()).toHaveLength(1);
  });

  it('has the clocks of a new ticket, and stops them', async () => {
    await client.call('POST', '/v1/sla-policies', {
      name: 'All',
      targets: { normal: { first_response_minutes: 60 } },
    });
    const { id } = await writes('Where is my lamp?');
    const made = await make(id);
    expect([made.status, made.body.sla]).toMatchObject([
      201,
      { first_response: { due_at: expect.any(String), met_at: null } },
    ]);
    await reply(id);
    const { body } = await client.call('GET', `/v1/tickets/${made.body.id}`);
    expect(body.sla.first_response.met_at).toEqual(expect.any(String));
  });

  it('of two agents at once, with the next message coming in meanwhile, begins one', async () => {
    const asked = await writes('Where is my lamp?');
    const [one, two, three] = await Promise.all([
      reply(asked.id, { text: 'One.' }),
      reply(asked.id, { text: 'Two.' }),
      make(asked.id),
      ...['Hello?', 'Anybody there?'].map((text) => writes(text)),
    ]);
    expect([one.status, two.status]).toEqual([201, 201]);
    expect([200, 201]).toContain(three.status);
    await writes('Still waiting.');
    const [ticket, ...others] = await tickets();
    expect(others).toEqual([]);
    expect(new Set((await messages()).map((one) => one.ticket_id))).toEqual(new Set([ticket!.id]));
    expect(ticket!.message_count).toBe(6);
    const created = (await events()).filter(({ type }) => type === 'ticket.created');
    expect(created).toHaveLength(1);
  });

  it.each(['before', 'after'] as const)(
    'goes once under its key, where the first try ended %s it was queued',
    async (when) => {
      const { id } = await writes('Where is my lamp?');
      lost = [when];
      const key = newId('command');
      expect((await reply(id, {}, key)).status).toBe(503);
      const [first, again] = [await reply(id, {}, key), await reply(id, {}, key)];
      expect([first.status, again.body.id]).toEqual([201, first.body.id]);
      expect(await tickets()).toHaveLength(1);
      expect(await messages('&direction=outbound')).toHaveLength(1);
    },
  );

  it('that is refused begins none', async () => {
    const { id } = await writes('Where is my lamp?');
    const before = (await events()).length;
    await rows.inDb((tx) =>
      tx
        .updateTable('conversations')
        .set({ window_ends_at: new Date(Date.now() - 1) })
        .execute(),
    );
    const refused = await reply(id);
    expect([refused.status, refused.body.type]).toEqual([
      422,
      'urn:postroom:problem:window_closed',
    ]);
    expect((await reply(id, { attachments: [newId('attachment')] })).status).toBe(422);
    expect(await tickets()).toEqual([]);
    expect((await message(id)).ticket_id).toBeNull();
    expect(await events()).toHaveLength(before);
    expect(started()).toEqual([]);
  });

  it('to somebody who asked for silence is refused, and begins none', async () => {
    const { id } = await writes('STOP');
    const refused = await reply(id, { text: 'Are you sure?' });
    expect([refused.status, refused.body.type]).toEqual([422, 'urn:postroom:problem:opted_out']);
    expect(await tickets()).toEqual([]);
  });

  it('is answered to what was sent beside us, too', async () => {
    const contact = await rows.contact('Bob', '+33612345678');
    const echo = await rows.said({
      channelId: chat,
      provider: 'whatsapp',
      ticketId: null,
      who: '+33612345678',
      at: minute(1),
      direction: 'outbound',
      status: 'sent',
    });
    const open = new Date(Date.now() + HOUR);
    await rows.talk(chat, contact, '+33612345678', { window_ends_at: open });
    const { status, body } = await reply(echo);
    expect([status, body.to]).toMatchObject([201, [{ address: '+33612345678' }]]);
    expect(await tickets()).toMatchObject([
      { id: body.ticket_id, requester: { id: contact }, message_count: 2 },
    ]);
  });
});

describe('a ticket made of a message', () => {
  it('is made once; asked again, it is shown', async () => {
    const { id } = await writes('Where is my lamp?');
    const made = await make(id, { 'idempotency-key': 'make' });
    expect([made.status, made.body]).toMatchObject([
      201,
      { subject: 'Where is my lamp?', conversation: { address: ADA, window_open: true } },
    ]);
    expect(made.headers.get('etag')).toBe('"1"');
    expect(made.body.workflow_url).toContain(made.body.id);
    const repeated = await make(id, { 'idempotency-key': 'make' });
    expect([repeated.status, repeated.headers.get('idempotent-replayed')]).toEqual([201, 'true']);
    const again = await make(id);
    expect([again.status, again.body.id]).toEqual([200, made.body.id]);
    const { data } = (await client.call('GET', `/v1/tickets/${made.body.id}/timeline`)).body;
    expect(data).toContainEqual(
      expect.objectContaining({
        action: 'ticket.created',
        actor: expect.objectContaining({ type: 'api_key' }),
      }),
    );
    expect((await make(newId('message'))).status).toBe(404);
    const reader = await api.client('reader', ['messages:read', 'tickets:read']);
    expect((await reader.call('POST', `/v1/messages/${id}/ticket`)).status).toBe(403);
  });

  it('is that of the conversation, where it takes messages still', async () => {
    const { id } = await writes('Where is my lamp?');
    const made = (await make(id)).body;
    const stray = await rows.said({
      channelId: chat,
      provider: 'whatsapp',
      ticketId: null,
      who: ADA,
      at: minute(1),
    });
    const found = await make(stray);
    expect([found.status, found.body]).toMatchObject([200, { id: made.id, message_count: 2 }]);
    expect((await message(stray)).ticket_id).toBe(made.id);
    expect((await events()).at(-1)).toMatchObject({
      type: 'message.updated',
      sequence: 3,
      data: { message: { id: stray } },
    });
  });

  it('of a long talk has the latest 200 messages, and what is asked for besides', async () => {
    const contact = await rows.contact('Bob', '+33612345678');
    await rows.talk(chat, contact, '+33612345678', { window_ends_at: new Date(Date.now() + HOUR) });
    const said: string[] = [];
    for (let nth = 0; nth < 205; nth += 1)
      said.push(
        await rows.said({
          channelId: chat,
          provider: 'whatsapp',
          ticketId: null,
          who: '+33612345678',
          at: minute(nth),
        }),
      );
    const made = (await make(said.at(-1)!)).body;
    expect(made.message_count).toBe(200);
    expect((await message(said[4]!)).ticket_id).toBeNull();
    expect((await message(said[5]!)).ticket_id).toBe(made.id);
    expect((await reply(said[0]!)).body.ticket_id).toBe(made.id);
    const { body } = await client.call('GET', `/v1/tickets/${made.id}`);
    expect(body).toMatchObject({ message_count: 206, status: 'open' });
  });

  it('follows the conversation’s last one, where that has ended', async () => {
    const { id } = await writes('Where is my lamp?');
    const made = (await make(id)).body;
    await rows.inDb((tx) =>
      tx
        .updateTable('tickets')
        .set({ status: 'closed', closed_at: minute(0) })
        .execute(),
    );
    const next = await writes('And my chair?');
    expect(next.ticket_id).toBeNull();
    const followUp = await make(next.id);
    expect([followUp.status, followUp.body]).toMatchObject([
      201,
      { follow_up_of: made.id, message_count: 1, subject: 'And my chair?' },
    ]);
    expect((await writes('Hello?')).ticket_id).toBe(followUp.body.id);
  });

  it('gets what the channel’s rules said of it as it came', async () => {
    const team = (await client.call('POST', '/v1/teams', { name: 'Lamps' })).body;
    const rules = {
      rules: [
        {
          name: 'lamps',
          when: { all: [{ field: 'body', contains: 'lamp' }] },
          then: { tags: ['lamp'], priority: 'urgent', team: team.id },
        },
      ],
    };
    const settings = { ...WHATSAPP_SETTINGS, ticket_creation_enabled: false };
    chat = await channel('whatsapp', settings, null, rules);
    const { id } = await writes('Where is my lamp?');
    expect((await make(id)).body).toMatchObject({
      tags: ['lamp'],
      priority: 'urgent',
      team_id: team.id,
    });
  });

  it('leaves what other people wrote, and what was said on other channels, as it is', async () => {
    const { id } = await writes('Where is my lamp?');
    const elsewhere = await rows.said({
      channelId: await rows.channel('whatsapp', 'second'),
      provider: 'whatsapp',
      ticketId: null,
      who: ADA,
      at: minute(1),
    });
    const stranger = await rows.said({
      channelId: chat,
      provider: 'whatsapp',
      ticketId: null,
      who: '+33612345678',
      at: minute(1),
    });
    await make(id);
    for (const other of [elsewhere, stranger]) expect((await message(other)).ticket_id).toBeNull();
  });

  it('can be made of a mail that a machine wrote, and what follows it joins it', async () => {
    await receive(mail, report('<r1@vendor.test>'), null);
    const [bounce] = await messages(`&account_id=${mail}`);
    expect(bounce).toMatchObject({ ticket_id: null, kind: 'delivery_report' });
    const made = await make(bounce!.id);
    expect([made.status, made.body]).toMatchObject([
      201,
      { channel: 'smtp', requester: { addresses: ['mailer-daemon@vendor.test'] } },
    ]);
    await receive(
      mail,
      Buffer.from(
        'From: mailer-daemon@vendor.test\r\nTo: help@shop.test\r\nSubject: Re: Delayed\r\n' +
          'Message-ID: <a1@vendor.test>\r\nIn-Reply-To: <r1@vendor.test>\r\n\r\nIt is there.\r\n',
      ),
      null,
    );
    const answers = await messages(`&account_id=${mail}`);
    expect(answers.map((one) => one.ticket_id)).toEqual([made.body.id, made.body.id]);
  });
});

/** A delivery report of a mail that was never ours (RFC 3464). */
function report(messageId: string): Buffer {
  return Buffer.from(
    [
      'From: Mail Delivery <mailer-daemon@vendor.test>',
      'To: help@shop.test',
      'Subject: Delayed',
      `Message-ID: ${messageId}`,
      'MIME-Version: 1.0',
      'Auto-Submitted: auto-replied',
      'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
      '',
      '--b',
      'Content-Type: text/plain',
      '',
      'It is delayed.',
      '--b',
      'Content-Type: message/delivery-status',
      '',
      'Reporting-MTA: dns; vendor.test',
      '',
      'Final-Recipient: rfc822; ada@example.com',
      'Action: delayed',
      'Status: 4.2.0',
      '--b--',
      '',
    ].join('\r\n'),
  );
}
