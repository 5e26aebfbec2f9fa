import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CompiledQuery } from 'kysely';
import type { Db } from '../../../db/connection.ts';
import { answerSyncs, recordChannelState } from '../../../db/queries/channel-state.ts';
import { listMessages } from '../../../db/queries/inbox.ts';
import type { ChannelId, ContactId } from '../../../domain/ids.ts';
import { eventually } from '../../harness/eventually.ts';
import { startTestApi, type Client, type TestApi } from '../api-fixture.ts';
import { analyze, planOf } from './plans.ts';
import { minute, scene, type Scene } from './scene.ts';

let api: TestApi;
let ada: Client;
let rows: Scene;
let mail: ChannelId;
let chat: ChannelId;
let other: ChannelId;
let customer: ContactId;
const said: string[] = [];

beforeAll(async () => {
  api = await startTestApi();
  ada = await api.client('inbox');
  rows = scene(api.db, ada.tenantId);
  mail = await rows.channel('imap', 'mail', { state: 'watching' });
  chat = await rows.channel('whatsapp', 'chat', { state: 'watching' });
  other = await rows.channel('whatsapp', 'other', { state: 'watching' });
  customer = await rows.contact('Ada', 'ada@example.com', '+4915112345678');
  const ticketId = await rows.ticket(mail, 'imap', customer);
  const places = [
    [mail, 'imap', 'ada@example.com'],
    [chat, 'whatsapp', '+4915112345678'],
    [other, 'whatsapp', '+4915112345678'],
  ] as const;
  // Stored out of order, and two at each instant: the id decides between them.
  for (const at of [3, 0, 4, 1, 2])
    for (const [channelId, provider, who] of places.slice(at % 2))
      said.push(await rows.said({ channelId, provider, ticketId, who, at: minute(at) }));
});
afterAll(() => api.close());

const list = async (query: string) => {
  const { status, body } = await ada.call('GET', `/v1/messages?${query}`);
  expect(status).toBe(200);
  return body as {
    data: { id: string; timestamp: string; account_id: string; direction: string }[];
    next_cursor: string | null;
    accounts: { account_id: string }[];
  };
};

async function allPages(query: string) {
  const found = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: Awaited<ReturnType<typeof list>> = await list(
      `${query}${cursor && `&cursor=${cursor}`}`,
    );
    found.push(...page.data);
    cursor = page.next_cursor;
  }
  return found;
}

describe('the inbox', () => {
  it('merges all channels by time, the id deciding within an instant, whatever the size of a page', async () => {
    const all = await allPages('limit=200');
    const places = all.map(({ timestamp, id }) => `${timestamp} ${id}`);
    expect(places).toEqual(places.toSorted().toReversed());
    expect(new Set(all.map(({ id }) => id))).toEqual(new Set(said));
    expect(new Set(all.map((one) => one.account_id))).toEqual(new Set([mail, chat, other]));
    for (const limit of [1, 3]) expect(await allPages(`limit=${limit}`)).toEqual(all);
  });

  it.each([
    ['channel', () => 'channel=whatsapp', (one: Shown) => one.account_id !== mail],
    ['account', () => `account_id=${chat}`, (one: Shown) => one.account_id === chat],
    [
      'account and another provider',
      () => `account_id=${chat}&channel=imap`,
      (one: Shown) => one.id === 'none',
    ],
    ['contact', () => `contact_id=${customer}`, () => true],
    [
      'contact and channel',
      () => `contact_id=${customer}&channel=imap`,
      (one: Shown) => one.account_id === mail,
    ],
    [
      'time',
      () => `since=${minute(1).toISOString()}&until=${minute(3).toISOString()}`,
      (one: Shown) => [1, 2].some((at) => one.timestamp === minute(at).toISOString()),
    ],
    ['status', () => 'status=failed,received', () => true],
    ['a status that there is none of', () => 'status=failed', (one: Shown) => one.id === 'none'],
    ['direction', () => 'direction=outbound', (one: Shown) => one.id === 'none'],
  ])('is filtered by %s, page by page', async (_name, query, wanted) => {
    const all = await allPages('limit=200');
    expect(await allPages(`${query()}&limit=2`)).toEqual(all.filter(wanted));
  });

  it('answers a cursor of another list with a clear 400, and an unknown contact with 404', async () => {
    const former = Buffer.from(JSON.stringify(said[0])).toString('base64url');
    const answer = await ada.call('GET', `/v1/messages?cursor=${former}`);
    expect([answer.status, answer.body.type]).toEqual([400, 'urn:postroom:problem:bad_cursor']);
    expect((await ada.call('GET', '/v1/messages?contact_id=con_1')).status).toBe(404);
  });

  it('is filtered by a ticket’s number as by its id, here and where messages wait for their time', async () => {
    const { data: all } = await list('limit=200');
    const { ticket_id: id } = (await ada.call('GET', `/v1/messages/${all[0]!.id}`)).body;
    const { body: ticket } = await ada.call('GET', `/v1/tickets/${id}`);
    for (const named of [id, ticket.number])
      expect((await list(`ticket_id=${named}&limit=200`)).data).toEqual(all);
    for (const path of ['messages', 'scheduled-messages']) {
      const statuses = [ticket.number, 999_999].map(async (number) => {
        const { status } = await ada.call('GET', `/v1/${path}?ticket_id=${number}`);
        return status;
      });
      expect(await Promise.all(statuses)).toEqual([200, 404]);
    }
  });

  it('says of a time that is none what it wants', async () => {
    const { body } = await ada.call('GET', '/v1/messages?since=yesterday');
    expect(body.errors).toEqual([
      { pointer: '/query/since', message: expect.stringContaining('such as 2027-03-01T09:00:00Z') },
    ]);
  });

  it('shows nothing of it to another tenant', async () => {
    const stranger = await api.client('a stranger to the inbox');
    for (const query of ['', `?account_id=${mail}`, '?channel=imap'])
      expect((await stranger.call('GET', `/v1/messages${query}`)).body).toEqual({
        data: [],
        next_cursor: null,
        accounts: [],
      });
    expect((await stranger.call('GET', `/v1/messages?contact_id=${customer}`)).status).toBe(404);
  });

  it('reads its pages from an index, without sorting what there is', async () => {
    await rows.inDb((tx) =>
      tx.executeQuery(
        CompiledQuery.raw(
          `insert into messages (id, tenant_id, ticket_id, channel_id, direction, status, body, timestamp, content_hash, message_id)
           select 'msg_bulk' || n, $1, null, $2, 'outbound', 'sent', '{"to": []}', now() - n * interval '1 second', null, 'bulk' || n
             from generate_series(1, 20000) n`,
          [ada.tenantId, mail],
        ),
      ),
    );
    await analyze(api.db, ada.tenantId, 'messages');
    const plans = (filter: object) => {
      const after = [minute(500_000).toISOString(), 'msg_'] as const;
      const page = { after, limit: 51, order: 'desc' } as const;
      const work = (db: Db) => listMessages(db, ada.tenantId, filter, page);
      return planOf(api.db, ada.tenantId, work, /from\s+"?messages"?.*"timestamp" desc/s);
    };
    for (const [filter, index] of [
      [{}, 'messages_by_time'],
      [{ account_id: chat }, 'messages_by_channel'],
      [{ channel: 'imap' }, 'messages_by_'],
    ] as const) {
      const plan = await plans(filter);
      expect(plan).toContain(index);
      expect(plan).not.toMatch(/Sort|Seq Scan on messages/);
    }
    // Of several channels only a page each is sorted.
    expect(await plans({ channel: 'whatsapp' })).toMatch(/Limit.*messages_by_channel/s);
    await rows.inDb((tx) => tx.deleteFrom('messages').where('id', 'like', 'msg_bulk%').execute());
  });
});

type Shown = Awaited<ReturnType<typeof list>>['data'][number];

describe('accounts in trouble', () => {
  const trouble = (id: ChannelId, state: 'needs_attention' | 'backing_off' | 'watching') =>
    recordChannelState(api.db, ada.tenantId, id, {
      state,
      detail: state === 'watching' ? 'Waiting for mail.' : 'The password was refused.',
      error: state === 'watching' ? null : { type: 'imap.login', detail: 'It said no.' },
      nextSweepAt: null,
    });

  it('are named beside the results, and hide nothing of the others', async () => {
    expect((await list('limit=200')).accounts).toEqual([]);
    await trouble(mail, 'backing_off');
    await trouble(other, 'needs_attention');
    const { data, accounts } = await list('limit=200');
    expect(data).toHaveLength(said.length);
    expect(accounts).toMatchObject([
      {
        account_id: mail,
        account_name: 'mail',
        channel: 'imap',
        state: 'backing_off',
        detail: 'The password was refused.',
        error: { type: 'imap.login', detail: 'It said no.' },
        since: expect.any(String),
      },
      { account_id: other, channel: 'whatsapp', state: 'needs_attention' },
    ]);
    const first = accounts[0] as unknown as { since: string };
    await trouble(mail, 'needs_attention');
    expect((await list('channel=imap')).accounts).toMatchObject([{ since: first.since }]);
    expect((await list(`account_id=${chat}`)).accounts).toEqual([]);
    await trouble(mail, 'watching');
    await trouble(other, 'watching');
    expect((await list('limit=200')).accounts).toEqual([]);
  });

  it('are waited for no longer once their sync has failed, and named where it is late', async () => {
    // Stands for the workflow: the mailbox's sync is refused; the chats' doors have nothing to do.
    const before = await requested();
    const answered = list('limit=1&fresh=true');
    await eventually(async () => expect(await requested()).toBe(before + 1));
    await trouble(mail, 'backing_off');
    expect((await answered).accounts).toMatchObject([{ account_id: mail, state: 'backing_off' }]);
    await trouble(mail, 'watching');

    const late = await list(`limit=1&fresh=true&account_id=${mail}`);
    expect(late.accounts).toEqual([
      expect.objectContaining({
        account_id: mail,
        state: 'watching',
        detail: expect.stringContaining('did not end within ten seconds'),
        error: null,
        since: null,
      }),
    ]);
    expect(late.data).toHaveLength(1);
  }, 240_000);

  it('are not named where the sync ends in time', async () => {
    const before = await requested();
    const fresh = list(`limit=1&fresh=true&account_id=${mail}`);
    await eventually(async () => expect(await requested()).toBe(before + 1));
    await answerSyncs(api.db, ada.tenantId, mail, before + 1);
    expect((await fresh).accounts).toEqual([]);
  }, 240_000);

  const requested = async () => {
    const row = await rows.inDb((tx) =>
      tx
        .selectFrom('channels')
        .select('sync_requested')
        .where('id', '=', mail)
        .executeTakeFirstOrThrow(),
    );
    return row.sync_requested;
  };
});
