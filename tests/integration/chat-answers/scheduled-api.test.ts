import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createScheduledMessageActivities } from '../../../activities/scheduled-messages.ts';
import { createTicketActivities } from '../../../activities/tickets.ts';
import { drainNow } from '../../../activities/drain.ts';
import { inTenant } from '../../../db/connection.ts';
import { newId } from '../../../domain/ids.ts';
import type { Relay } from '../../../workflows/contracts/relay.ts';
import type {
  ScheduledEnd,
  ScheduledInput,
  ScheduledRef,
} from '../../../workflows/contracts/scheduled-message.ts';
import { eventually } from '../../harness/index.ts';
import { PNG } from '../../harness/png.ts';
import { openTicket, seedTenant, type Seed } from '../../workflow/ticket-seed.ts';
import { startTestApi, type Client, type TestApi } from '../api-fixture.ts';
import { CUSTOMER, HOUR, openChat, seedChat, type ChatSeed } from './chat-seed.ts';

describe('a message set for a time', () => {
  let api: TestApi;
  let client: Client;
  let seed: ChatSeed;
  let ticketId: string;
  const started: ScheduledInput[] = [];
  const ended: ScheduledRef[] = [];
  let away = false;

  beforeAll(async () => {
    api = await startTestApi();
    // What would go to Temporal; that it arrives there is tested with the real server beside.
    Object.assign(api.relay, {
      startScheduled: (message: ScheduledInput) => {
        if (away) return Promise.reject(new Error('away'));
        started.push(message);
        return Promise.resolve();
      },
      cancelScheduled: (ref: ScheduledRef) => Promise.resolve(void ended.push(ref)),
    } satisfies Partial<Relay>);
    client = await api.client('scheduled');
    seed = await seedChat(api.db, 'scheduled');
  });
  afterAll(() => api.close());
  beforeEach(async () => {
    started.length = 0;
    ended.length = 0;
    away = false;
    await inTenant(api.db, seed.tenantId, async (tx) => {
      await tx.updateTable('contacts').set({ time_zone: null }).execute();
      await tx.deleteFrom('calendars').execute();
    });
    ({ ticketId } = await openChat(api.db, seed));
  });

  const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
  const TEMPLATE = { name: 'order_update', values: { 1: 'Ada', 2: '42' } };
  const schedule = (more: object) =>
    client.call('POST', '/v1/scheduled-messages', {
      ticket_id: ticketId,
      template: TEMPLATE,
      ...more,
    });
  const future = `${nextWinterDay()}T09:00`;

  it('is kept, shown, listed, and handed to Temporal for its time', async () => {
    const at = inMs(HOUR);
    const { status, body } = await schedule({ send_at: at });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      ticket_id: ticketId,
      account_id: seed.channelId,
      status: 'scheduled',
      send_at: at,
      message_id: null,
      error: null,
      message: { template: TEMPLATE },
    });
    expect(started).toEqual([{ tenantId: seed.tenantId, scheduledId: body.id, sendAt: at }]);
    expect((await client.call('GET', `/v1/scheduled-messages/${body.id}`)).body).toEqual(body);
    const listed = await client.call('GET', `/v1/scheduled-messages?ticket_id=${ticketId}`);
    expect(listed.body.data).toEqual([body]);
    const other = await client.call('GET', '/v1/scheduled-messages?status=sent,failed');
    expect(other.body.data).toEqual([]);
  });

  it('while Temporal is away it is kept, and handed over by the drain', async () => {
    away = true;
    const { status, body } = await schedule({ send_at: inMs(HOUR) });
    expect(status).toBe(201);
    expect(started).toEqual([]);
    away = false;
    await inTenant(api.db, seed.tenantId, (tx) =>
      tx
        .updateTable('scheduled_messages')
        .set({ leased_until: new Date(Date.now() - 1000) })
        .where('started', '=', false)
        .execute(),
    );
    for (let n = 0; n < 2; n += 1) await drainNow(api.deps);
    expect(started.map(({ scheduledId }) => scheduledId)).toEqual([body.id]);
  });

  it('long overdue, its workflow is started again, whatever became of it', async () => {
    const { body } = await schedule({ send_at: inMs(HOUR) });
    const overdue = async (byMs: number) => {
      await inTenant(api.db, seed.tenantId, (tx) =>
        tx
          .updateTable('scheduled_messages')
          .set({
            send_at: new Date(Date.now() - byMs),
            leased_until: new Date(Date.now() - 1000),
          })
          .where('id', '=', body.id)
          .execute(),
      );
      started.length = 0;
      await drainNow(api.deps);
      await drainNow(api.deps);
      return started.map(({ scheduledId }) => scheduledId);
    };
    expect(await overdue(60_000)).toEqual([]);
    expect(await overdue(6 * 60_000)).toEqual([body.id]);
    await client.call('DELETE', `/v1/scheduled-messages/${body.id}`);
    expect(await overdue(6 * 60_000)).toEqual([]);
  });

  it('a wall clock is the customer’s: the contact’s zone, else the number’s, else the calendar’s', async () => {
    const at = async (more: object = {}) => (await schedule({ send_at: future, ...more })).body;
    expect(await at()).toMatchObject({
      send_at: `${future.slice(0, 10)}T08:00:00.000Z`,
      time_zone: 'Europe/Berlin',
      local_time: `${future}:00+01:00`,
    });
    expect(await at({ time_zone: 'Asia/Tokyo' })).toMatchObject({
      send_at: `${future.slice(0, 10)}T00:00:00.000Z`,
      time_zone: 'Asia/Tokyo',
    });
    await inTenant(api.db, seed.tenantId, (tx) =>
      tx.updateTable('contacts').set({ time_zone: 'America/New_York' }).execute(),
    );
    expect(await at()).toMatchObject({ send_at: `${future.slice(0, 10)}T14:00:00.000Z` });
  });

  it('of a customer whose zone nobody knows the calendar’s counts, and without one it is asked for', async () => {
    const mail: Seed = await seedTenant(api.db, 'scheduled-mail');
    const other = await api.client('scheduled-mail');
    const id = await openTicket(api.db, mail, new Date());
    const post = () =>
      other.call('POST', '/v1/scheduled-messages', { ticket_id: id, text: 'Hi.', send_at: future });
    const refused = await post();
    expect(refused.status).toBe(422);
    expect(refused.body.errors).toMatchObject([{ pointer: '/time_zone' }]);
    await inTenant(api.db, mail.tenantId, (tx) =>
      tx
        .insertInto('calendars')
        .values({
          id: newId('calendar'),
          tenant_id: mail.tenantId,
          definition: JSON.stringify({ name: 'Office', time_zone: 'Europe/Lisbon', hours: {} }),
        })
        .execute(),
    );
    expect((await post()).body).toMatchObject({ time_zone: 'Europe/Lisbon' });
  });

  it.each<[string, object, string]>([
    ['a time that has passed', { send_at: new Date(Date.now() - 1000).toISOString() }, 'invalid'],
    ['no time', { send_at: 'tomorrow' }, 'invalid'],
    ['no zone', { send_at: future, time_zone: 'Mars/Olympus' }, 'invalid'],
    ['a template that is not there', { template: 'nope' }, 'unknown_template'],
    ['text after the window', { template: undefined, text: 'Hi.' }, 'window_closed'],
    ['an unknown channel', { account_id: newId('channel') }, 'no_channel'],
  ])('is refused at once for %s', async (_what, more, code) => {
    const { status, body } = await schedule({ send_at: inMs(48 * HOUR), ...more });
    expect(status).toBe(422);
    expect(body.type).toBe(`urn:postroom:problem:${code}`);
  });

  it('cancelled in time it is never sent, even where its time comes in the same moment', async () => {
    const { body } = await schedule({ send_at: inMs(HOUR) });
    for (let n = 0; n < 2; n += 1) {
      const cancelled = await client.call('DELETE', `/v1/scheduled-messages/${body.id}`);
      expect(cancelled).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    }
    expect(ended[0]).toEqual({ tenantId: seed.tenantId, scheduledId: body.id });
    const relay = new TicketBeside(api);
    expect(await sendBy(relay, { tenantId: seed.tenantId, scheduledId: body.id })).toBe(
      'cancelled',
    );
    expect(relay.commands).toBe(0);
  });

  it('sent once, whoever asks for it and however often; then it can’t be cancelled', async () => {
    const { body } = await schedule({ send_at: inMs(HOUR) });
    const relay = new TicketBeside(api);
    const ref = { tenantId: seed.tenantId, scheduledId: body.id as string };
    expect(await Promise.all([1, 2, 3].map(() => sendBy(relay, ref)))).toEqual([
      'sent',
      'sent',
      'sent',
    ]);
    // Even where what the command did is no longer kept.
    await inTenant(api.db, seed.tenantId, (tx) => tx.deleteFrom('commands').execute());
    expect(await sendBy(relay, ref)).toBe('sent');
    const messages = await client.call(
      'GET',
      `/v1/messages?ticket_id=${ticketId}&direction=outbound`,
    );
    expect(messages.body.data).toMatchObject([
      { status: 'queued', to: [{ address: CUSTOMER }], content: 'Hello Ada, order 42 is ready.' },
    ]);
    const shown = await client.call('GET', `/v1/scheduled-messages/${body.id}`);
    expect(shown.body).toMatchObject({
      status: 'sent',
      message_id: messages.body.data[0].id,
      ended_at: expect.any(String),
    });
    const late = await client.call('DELETE', `/v1/scheduled-messages/${body.id}`);
    expect(late).toMatchObject({
      status: 409,
      body: { type: 'urn:postroom:problem:already_sent' },
    });
  });

  it('a cancellation and its sending at the same moment: one of them, never both', async () => {
    for (let n = 0; n < 10; n += 1) {
      ({ ticketId } = await openChat(api.db, seed));
      const { body } = await schedule({ send_at: inMs(HOUR) });
      const relay = new TicketBeside(api);
      const [end, answer] = await Promise.all([
        sendBy(relay, { tenantId: seed.tenantId, scheduledId: body.id }),
        client.call('DELETE', `/v1/scheduled-messages/${body.id}`),
      ]);
      const sent = await client.call(
        'GET',
        `/v1/messages?ticket_id=${ticketId}&direction=outbound`,
      );
      expect([end, answer.status, sent.body.data.length]).toEqual(
        end === 'sent' ? ['sent', 409, 1] : ['cancelled', 200, 0],
      );
    }
  });

  it('is refused at once for what the vendor takes in no template: of words and of files', async () => {
    const upload = async (type: string, bytes: Buffer) => {
      const headers = { 'content-type': type };
      const { body } = await client.call('POST', '/v1/attachments?filename=file', bytes, headers);
      return String(body.id);
    };
    const refusal = async (template: object) => {
      const { status, body } = await schedule({ send_at: inMs(HOUR), template });
      return [status, String(body.type).split(':').at(-1), body.detail];
    };
    for (const value of ['Ada\nL.', 'Ada\tL.', 'Ada     L.'])
      expect(await refusal({ ...TEMPLATE, values: { 1: value, 2: '42' } })).toEqual([
        422,
        'template_values',
        expect.stringMatching(/in body\.1/),
      ]);
    const parcel = (id: string) => ({ name: 'parcel', values: { 'header.1': id } });
    const pdf = await upload(
      'application/pdf',
      Buffer.from('%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF\n'),
    );
    expect(await refusal(parcel(pdf))).toEqual([
      422,
      'template_file',
      expect.stringMatching(/shows a picture .* this file is application\/pdf/),
    ]);
    const large = await upload('image/png', Buffer.concat([PNG, Buffer.alloc(6 * 1024 * 1024)]));
    expect(await refusal(parcel(large))).toEqual([
      422,
      'template_file',
      expect.stringMatching(/up to 5 MiB, and this file has 6 MiB/),
    ]);
    const fits = await schedule({
      send_at: inMs(HOUR),
      template: parcel(await upload('image/png', PNG)),
    });
    expect(fits.status).toBe(201);
  });

  it('refused when its time comes, it says why', async () => {
    const { body } = await schedule({ send_at: inMs(HOUR) });
    await inTenant(api.db, seed.tenantId, (tx) =>
      tx
        .updateTable('conversations')
        .set({ opted_out_at: new Date() })
        .where('address', '=', CUSTOMER)
        .execute(),
    );
    const relay = new TicketBeside(api);
    expect(await sendBy(relay, { tenantId: seed.tenantId, scheduledId: body.id })).toBe('failed');
    const shown = await client.call('GET', `/v1/scheduled-messages/${body.id}`);
    expect(shown.body).toMatchObject({ status: 'failed', error: { code: 'opted_out' } });
    // The stream waits for transactions that began before, others' tests' too.
    await eventually(async () => {
      const events = await client.call('GET', '/v1/events?limit=200');
      expect(events.body.data.at(-1)).toMatchObject({
        type: 'scheduled_message.failed',
        ticket_id: ticketId,
        data: { scheduled_message: { id: body.id }, error: { code: 'opted_out' } },
      });
    });
  });
});

function sendBy(relay: TicketBeside, ref: ScheduledRef): Promise<ScheduledEnd> {
  const activities = createScheduledMessageActivities({ db: relay.api.db, relay });
  return new MockActivityEnvironment().run(() => activities.sendScheduled(ref));
}

/** The ticket's workflow without Temporal: a command is applied as its activity does. */
class TicketBeside implements Relay {
  commands = 0;
  readonly api: TestApi;

  constructor(api: TestApi) {
    this.api = api;
  }

  flush = () => Promise.resolve();
  workflowUrl = (id: string) => id;

  async command(ref: Parameters<Relay['command']>[0], _kind: unknown, commandId: string) {
    this.commands += 1;
    const now = new Date().toISOString();
    const activities = createTicketActivities(this.api.deps);
    return (await activities.applyCommand({ ...ref, commandId, now })).outcome;
  }
}

/** A day of winter time that is a week ahead at least, and within a year. */
function nextWinterDay(): string {
  const year = new Date().getUTCFullYear();
  const days = [`${year}-01-15`, `${year}-12-15`, `${year + 1}-01-15`];
  return days.find((day) => Date.parse(day) > Date.now() + 7 * 24 * HOUR)!;
}
