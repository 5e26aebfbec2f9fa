import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import express from 'express';
import { sql } from 'kysely';
import { z } from 'zod';
import { mountIngress } from '../../../api/ingress/mount.ts';
import { answerErrors } from '../../../api/middleware/errors.ts';
import { giveRequestId } from '../../../api/middleware/request-id.ts';
import { inTenant } from '../../../db/connection.ts';
import { changeChannel, deleteChannel, wantState } from '../../../db/queries/channel-changes.ts';
import { doorHashesOf } from '../../../api/channels/door-keys.ts';
import { sealSecrets } from '../../../db/queries/channels.ts';
import { ensureTenant } from '../../../db/queries/tenants.ts';
import { newId, type ChannelId, type TenantId } from '../../../domain/ids.ts';
import { DoorRefusal, type ChannelProvider } from '../../../providers/contract.ts';
import { eventually } from '../../harness/index.ts';
import { request, startTestApi, type TestApi } from '../api-fixture.ts';
import { seedChannel } from '../../workflow/channel-seed.ts';

// A vendor that calls one address for all its accounts, as those with one address per app do.
const Settings = z.object({ secret: z.string(), account: z.string() });
type Settings = z.infer<typeof Settings>;
interface Entry {
  readonly account: string;
  readonly id?: string;
}

type Kind = 'entries' | 'pages';

const vendor = vendorNamed('vendor', 'entries');
/** Another provider of the same vendor, called at the same door. */
const pages = vendorNamed('pages', 'pages', 'vendor');

function vendorNamed(name: string, kind: Kind, sharedAs?: string): ChannelProvider<Settings> {
  const entriesOf = (body: Buffer) =>
    body.length === 0
      ? []
      : ((JSON.parse(body.toString()) as Partial<Record<Kind, Entry[]>>)[kind] ?? []);
  return {
    manifest: {
      name,
      title: 'Vendor',
      settings: Settings,
      secrets: ['secret'],
      accountOf: ({ account }) => account,
      source: 'mime',
    },
    door: {
      ...(sharedAs && { sharedAs }),
      accounts: ({ body }) => entriesOf(body).map(({ account }) => account),
      keys: {
        wordIn: () => null,
        of: ({ secret: signer, account }) => ({ signer, group: groupOf(account) }),
      },
      verify({ body, headers }, { settings }) {
        asked += 1;
        if (headers['x-signature'] !== sign(body, settings.secret))
          throw new DoorRefusal(401, 'bad_signature', 'Not ours.');
      },
      receive({ method, query, body }, { settings }) {
        if (method === 'GET')
          return Promise.resolve({
            sources: [],
            answer: { status: 200, body: query['challenge'] ?? '', contentType: 'text/plain' },
          });
        const names = [settings.account, groupOf(settings.account)];
        const mine = entriesOf(body).filter(({ account }) => names.includes(account));
        return Promise.resolve({
          news: 'mail',
          sources: mine.flatMap(({ id }) =>
            id ? [{ source: Buffer.from(`Subject: ${id}\r\n\r\n`), providerMessageId: id }] : [],
          ),
        });
      },
    },
  };
}

/** How many channels were asked whether a call is theirs. */
let asked = 0;

/** `group/1` belongs to `group`. */
function groupOf(account: string): string | undefined {
  const [group, own] = account.split('/');
  return own === undefined ? undefined : group;
}

/** As registry.ts registers its own. */
const erased = (provider: ChannelProvider<Settings>) => provider as unknown as ChannelProvider;
const sign = (body: string | Buffer, secret: string) =>
  createHmac('sha256', secret).update(body).digest('hex');

let api: TestApi;
let server: Server;
let url: string;

beforeAll(async () => {
  api = await startTestApi();
  const app = express();
  app.use(giveRequestId);
  mountIngress(app, api.deps, [erased(vendor), erased(pages)]);
  app.use(answerErrors(api.deps.log));
  server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  url = `http://127.0.0.1:${address.port}/ingress/vendor`;
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await api.close();
});
beforeEach(() => void api.relay.flushed.splice(0));

interface Place {
  readonly tenantId: TenantId;
  readonly id: ChannelId;
}

const doorHashesFor = (account: string, secret: string, provider = 'vendor') =>
  doorHashesOf(
    provider === 'pages' ? erased(pages) : erased(vendor),
    { account, secret },
    api.keys,
  );

async function channel(
  tenant: string,
  account: string,
  secret: string,
  provider = 'vendor',
): Promise<Place> {
  const tenantId = await ensureTenant(api.db, tenant);
  const id = newId('channel');
  await seedChannel(api.db, tenantId, {
    id,
    provider,
    name: account,
    account,
    settings: { account },
    secrets: sealSecrets({ secret }, id, api.keys),
    doorHashes: doorHashesFor(account, secret, provider),
  });
  return { tenantId, id };
}

const staged = ({ tenantId, id }: Place) =>
  inTenant(api.db, tenantId, async (tx) =>
    (
      await tx
        .selectFrom('sources')
        .select('provider_message_id')
        .where('channel_id', '=', id)
        .orderBy('id')
        .execute()
    ).map((row) => row.provider_message_id),
  );

function post(entries: Entry[], secret: string, more: object = {}, to = url) {
  const body = JSON.stringify({ entries, ...more });
  return request(to, 'POST', body, { 'x-signature': sign(body, secret) });
}

test('a call goes to the channel whose account it names, and wakes its workflow as news of a push', async () => {
  const ada = await channel('ada', 'ada-1', 's-ada');
  const bob = await channel('bob', 'bob-1', 's-bob');
  expect((await post([{ account: 'ada-1', id: 'm1' }], 's-ada')).status).toBe(200);
  expect([await staged(ada), await staged(bob)]).toEqual([['m1'], []]);
  const news = api.relay.flushed.flatMap((work) => [...work.channels]);
  expect(news.at(-1)).toEqual([ada.id, expect.objectContaining({ push: true, renew: false })]);
});

test('what is said of a group of accounts reaches all of their channels, over all tenants, each by its own secret', async () => {
  const ada = await channel('ada', 'group/1', 's-group');
  const bob = await channel('bob', 'group/2', 's-group');
  const eve = await channel('eve', 'group/3', 's-eve');
  const other = await channel('bob', 'other/1', 's-group');
  const all = () => Promise.all([ada, bob, eve, other].map(staged));
  expect((await post([{ account: 'group', id: 'g1' }], 's-group')).status).toBe(200);
  expect(await all()).toEqual([['g1'], ['g1'], [], []]);
  const twice = [
    { account: 'group/1', id: 'g2' },
    { account: 'group', id: 'g3' },
  ];
  expect((await post(twice, 's-group')).body).toEqual({ accepted: 3 });
  expect(await all()).toEqual([['g1', 'g2', 'g3'], ['g1', 'g3'], [], []]);
  const changed = { account: 'other/2', doorHashes: doorHashesFor('other/2', 's-group') };
  await changeChannel(api.db, ada.tenantId, ada.id, () => ({ ...changed, reconnects: false }));
  expect((await post([{ account: 'group', id: 'g4' }], 's-group')).status).toBe(200);
  expect((await all())[0]).not.toContain('g4');
});

test('each account is believed by its own channel’s secret alone', async () => {
  const ada = await channel('ada', 'ada-2', 's-ada');
  const bob = await channel('bob', 'bob-2', 's-bob');
  const both = [
    { account: 'ada-2', id: 'm2' },
    { account: 'bob-2', id: 'm3' },
  ];
  expect((await post(both, 's-ada')).status).toBe(200);
  expect([await staged(ada), await staged(bob)]).toEqual([['m2'], []]);
  expect((await post([{ account: 'bob-2', id: 'm4' }], 's-ada')).status).toBe(401);
  expect(await staged(bob)).toEqual([]);
});

test('two providers have one door, each believed by its own channels’ secrets', async () => {
  const number = await channel('ada', 'number', 's-app');
  const page = await channel('ada', 'page', 's-app', 'pages');
  const foreign = await channel('bob', 'foreign', 's-bob', 'pages');
  const more = {
    pages: [
      { account: 'page', id: 'p1' },
      { account: 'foreign', id: 'p2' },
    ],
  };
  expect((await post([{ account: 'number', id: 'n1' }], 's-app', more)).status).toBe(200);
  expect([await staged(number), await staged(page), await staged(foreign)]).toEqual([
    ['n1'],
    ['p1'],
    [],
  ]);
  const handshake = `${url}?challenge=43`;
  const answer = await request(handshake, 'GET', undefined, { 'x-signature': sign('', 's-bob') });
  expect(answer).toMatchObject({ status: 200, text: '43' });
  expect((await request(url.replace('vendor', 'pages'), 'POST', '{}')).status).toBe(404);
});

test('an entry of an account that nobody has is passed over and counted, the others are taken', async () => {
  const ours = await channel('ada', 'ours', 's-ada');
  const strangers = async () => {
    const { text } = await request(`${api.url}/metrics`, 'GET');
    return Number(/postroom_door_strangers_total\{door="vendor"\} (\d+)/.exec(text)?.[1] ?? 0);
  };
  const before = await strangers();
  const entries = ['nobody-1', 'ours', 'nobody-2'].map((account) => ({ account, id: account }));
  expect((await post(entries, 's-ada')).status).toBe(200);
  expect(await staged(ours)).toEqual(['ours']);
  expect((await strangers()) - before).toBe(2);
  expect((await post([{ account: 'nobody-1' }], 'forged')).status).toBe(401);
  expect((await strangers()) - before).toBe(2);
});

test('a channel’s own door is of use to the other accounts of the same app', async () => {
  const one = await channel('ada', 'one', 's-two');
  const two = await channel('ada', 'two', 's-two');
  const entries = ['one', 'two'].map((account) => ({ account, id: account }));
  expect((await post(entries, 's-two', {}, `${url}/${one.id}`)).status).toBe(200);
  expect([await staged(one), await staged(two)]).toEqual([['one'], ['two']]);
  expect((await post(entries, 'forged', {}, `${url}/${one.id}`)).status).toBe(401);
  const get = (secret: string) =>
    request(`${url}/${one.id}?challenge=44`, 'GET', undefined, { 'x-signature': sign('', secret) });
  expect(await get('s-two')).toMatchObject({ status: 200, text: '44' });
  expect((await get('s-ada')).status).toBe(401);
});

test('two channels of one account, in two tenants, both hear of it', async () => {
  const one = await channel('ada', 'shared', 's-app');
  const other = await channel('bob', 'shared', 's-app');
  expect((await post([{ account: 'shared', id: 'm5' }], 's-app')).status).toBe(200);
  expect([await staged(one), await staged(other)]).toEqual([['m5'], ['m5']]);
});

/** Beyond what the product itself may do. */
const asOwner = (...statements: string[]) =>
  api.db.transaction().execute(async (tx) => {
    await sql`set local role none`.execute(tx);
    for (const statement of statements) await sql.raw(statement).execute(tx);
  });

/** What the database does to each source of one channel before it is stored. */
const beforeStoring = ({ id }: Place, does: string) =>
  asOwner(
    `create function meddle() returns trigger language plpgsql as $$ begin ${does}; return new; end $$`,
    `create trigger meddle before insert on sources for each row
       when (new.channel_id = '${id}') execute function meddle()`,
  );
const letAlone = () => asOwner(`drop function meddle() cascade`);

test('what keeps one channel’s part from being stored keeps no other’s, and is asked for again', async () => {
  const [one, other] = [
    await channel('ada', 'first', 's-app'),
    await channel('bob', 'second', 's-app'),
  ];
  const call = (id: string) =>
    post(
      ['first', 'second'].map((account) => ({ account, id: `${account}-${id}` })),
      's-app',
    );
  await beforeStoring(one, 'perform pg_advisory_xact_lock(6120)');
  const answered = await api.db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock(6120)`.execute(tx);
    const waiting = call('a');
    await eventually(async () => expect(await staged(other)).toEqual(['second-a']));
    expect(await staged(one)).toEqual([]);
    return { waiting };
  });
  expect((await answered.waiting).status).toBe(200);
  await letAlone();

  await beforeStoring(one, `raise exception 'not now'`);
  expect((await call('b')).status).toBe(503);
  expect([await staged(one), await staged(other)]).toEqual([['first-a'], ['second-a', 'second-b']]);
  await letAlone();
  expect((await call('b')).status).toBe(200);
  expect([await staged(one), await staged(other)]).toEqual([
    ['first-a', 'first-b'],
    ['second-a', 'second-b'],
  ]);
});

test('one channel that can’t be opened keeps no other of its call from being heard', async () => {
  const broken = await channel('ada', 'broken', 's-app');
  const whole = await channel('bob', 'whole', 's-app');
  await inTenant(api.db, broken.tenantId, (tx) =>
    tx
      .updateTable('channels')
      .set({ secrets: Buffer.from('nonsense'), version: 2 })
      .where('id', '=', broken.id)
      .execute(),
  );
  const entries = ['broken', 'whole'].map((account) => ({ account, id: account }));
  expect((await post(entries, 's-app')).status).toBe(503);
  expect(await staged(whole)).toEqual(['whole']);
});

test('an account that is nobody’s is answered 200 only where the call is the vendor’s', async () => {
  const gone = await channel('ada', 'gone', 's-ada');
  await deleteChannel(api.db, gone.tenantId, gone.id);
  expect((await post([{ account: 'gone', id: 'm6' }], 's-ada')).status).toBe(200);
  expect(await staged(gone)).toEqual([]);
  expect((await post([{ account: 'gone', id: 'm6' }], 'forged')).status).toBe(401);
});

test('a stopped channel’s call is heard without effect, so that the vendor does not ask for days', async () => {
  const stopped = await channel('ada', 'stopped', 's-ada');
  await wantState(api.db, stopped.tenantId, stopped.id, 'stopped');
  expect((await post([{ account: 'stopped', id: 'm7' }], 's-ada')).status).toBe(200);
  expect(await staged(stopped)).toEqual([]);
});

test('a call after a change of the channel is held against what holds now', async () => {
  const changed = await channel('ada', 'changed', 's-old');
  expect((await post([{ account: 'changed', id: 'm8' }], 's-old')).status).toBe(200);
  await changeChannel(api.db, changed.tenantId, changed.id, () => ({
    secrets: sealSecrets({ secret: 's-new' }, changed.id, api.keys),
    reconnects: true,
  }));
  expect((await post([{ account: 'changed', id: 'm9' }], 's-old')).status).toBe(401);
  expect((await post([{ account: 'changed', id: 'm9' }], 's-new')).status).toBe(200);
  expect(await staged(changed)).toEqual(['m8', 'm9']);
});

test('a handshake that names no account is answered by a channel that believes it', async () => {
  const get = (secret: string) =>
    request(`${url}?challenge=42`, 'GET', undefined, { 'x-signature': sign('', secret) });
  expect(await get('s-ada')).toMatchObject({ status: 200, text: '42' });
  expect((await get('forged')).status).toBe(401);
});

test('refusals are counted, and an address that is no shared door is none', async () => {
  const metrics = await request(`${api.url}/metrics`, 'GET');
  expect(metrics.text).toMatch(
    /postroom_door_refusals_total\{provider="vendor",code="bad_signature"\} [1-9]/,
  );
  expect((await request(url.replace('vendor', 'smtp'), 'POST', '{}')).status).toBe(404);
});

// Last: strangers are in debt after it.
test('a forged call that names many real accounts has few of their channels asked; a call of one app has all', async () => {
  const many = Array.from({ length: 120 }, (_, nr) => `forged-${nr}`);
  await Promise.all(many.map((account, nr) => channel('ada', account, `s-forged-${nr}`)));
  const pad = { pad: 'x'.repeat(8_000_000) };
  asked = 0;
  const forged = await post(
    many.map((account) => ({ account, id: 'm' })),
    's-forger',
    pad,
  );
  expect([forged.status, forged.body.type]).toEqual([503, 'urn:postroom:problem:door_busy']);
  expect(asked).toBeLessThan(100);
  // Whose secret signed it, pays nothing: neither one account, nor the many of one app.
  expect((await post([{ account: many[119]!, id: 'm' }], 's-forged-119', pad)).status).toBe(200);
  const pagesOfOne = Array.from({ length: 40 }, (_, nr) => `of-one-app-${nr}`);
  const theirs = await Promise.all(pagesOfOne.map((account) => channel('ada', account, 's-one')));
  const entries = pagesOfOne.map((account) => ({ account, id: 'm' }));
  expect((await post(entries, 's-one')).body).toEqual({ accepted: 40 });
  expect(await staged(theirs[39]!)).toEqual(['m']);
});
