import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { sql } from 'kysely';
import { doorHashesOf } from '../../../api/channels/door-keys.ts';
import { makeMissingDoorKeys, startDoorKeyLoop } from '../../../api/channels/missing-door-keys.ts';
import { inTenant, type Db } from '../../../db/connection.ts';
import { sealSecrets } from '../../../db/queries/channels.ts';
import { channelsWithoutDoorKeys, doorSigners } from '../../../db/queries/door-keys.ts';
import { ensureTenant } from '../../../db/queries/tenants.ts';
import { newId, type ChannelId, type TenantId } from '../../../domain/ids.ts';
import { findProvider } from '../../../providers/registry.ts';
import { KeyRing } from '../../../security/key-ring.ts';
import { eventually } from '../../harness/index.ts';
import { request, startTestApi, type Client, type TestApi } from '../api-fixture.ts';
import { seedChannel } from '../../workflow/channel-seed.ts';

// Meta's one address for many tenants with many apps: calls that name no channel of ours.

jest.setTimeout(240_000);

let api: TestApi;
let tenants: Client[];
const opened: TestApi[] = [];
beforeEach(async () => {
  api = await startTestApi();
  opened.push(api);
  tenants = await Promise.all(['ada', 'bob', 'cleo'].map((name) => api.client(name)));
});
afterEach(() => Promise.all(opened.splice(0).map((one) => one.close())));

interface Number {
  readonly id: string;
  readonly phone: string;
  readonly secret: string;
  readonly word: string;
  readonly owner: Client;
}

/** By the API, as admins make them. Meta is not there; a channel is made all the same. */
async function numbers(count: number, from = 0): Promise<Number[]> {
  const made: Number[] = [];
  for (let nr = from; nr < from + count; nr += 1) {
    const owner = tenants[nr % tenants.length]!;
    const one = { phone: String(1000 + nr), secret: `secret-${nr}`, word: `word-${nr}`, owner };
    const { status, body } = await owner.call('POST', '/v1/channels', {
      provider: 'whatsapp',
      name: one.phone,
      settings: {
        phone_number_id: one.phone,
        access_token: 'token',
        app_secret: one.secret,
        verify_token: one.word,
        base_url: 'http://127.0.0.1:9',
      },
    });
    expect(status).toBe(201);
    made.push({ ...one, id: String(body.id) });
  }
  return made;
}

const door = () => `${api.url}/ingress/meta`;
const shake = (word: string) =>
  request(
    `${door()}?hub.mode=subscribe&hub.challenge=42&hub.verify_token=${encodeURIComponent(word)}`,
    'GET',
  );

function say(phone: string, secret: string) {
  const value = {
    metadata: { phone_number_id: phone },
    messages: [{ id: `wamid.${phone}`, from: '491', type: 'text', text: { body: 'Hi' } }],
  };
  const entry = [{ id: 'a', changes: [{ field: 'messages', value }] }];
  const body = JSON.stringify({ object: 'whatsapp_business_account', entry });
  const signature = createHmac('sha256', secret).update(body).digest('hex');
  return request(door(), 'POST', body, { 'x-hub-signature-256': `sha256=${signature}` });
}

test('the oldest of many numbers still shakes hands, by its own word alone', async () => {
  const [oldest, stopped] = await numbers(27);
  expect(await shake(oldest!.word)).toMatchObject({ status: 200, text: '42' });
  expect((await shake('word-99')).status).toBe(403);
  expect((await shake('')).status).toBe(403);
  expect((await request(door(), 'GET')).status).toBe(403);

  const patch = (fields: object) =>
    oldest!.owner.call('PATCH', `/v1/channels/${oldest!.id}`, fields);
  expect((await patch({ settings: { verify_token: 'another' } })).status).toBe(200);
  expect(await shake('another')).toMatchObject({ status: 200, text: '42' });
  expect((await shake(oldest!.word)).status).toBe(403);
  expect((await patch({ name: 'Renamed' })).status).toBe(200);
  expect((await shake('another')).status).toBe(200);

  const { owner, id, word } = stopped!;
  expect((await owner.call('PATCH', `/v1/channels/${id}`, { is_active: false })).status).toBe(200);
  expect((await shake(word)).status).toBe(403);
  const gone = await oldest!.owner.call('DELETE', `/v1/channels/${oldest!.id}`);
  expect(gone.status).toBe(204);
  expect((await shake('another')).status).toBe(403);
});

test('news of a number that was given up is heard under the oldest app, and forged news under none', async () => {
  const [first, second, ...others] = await numbers(27);
  // Another number of the first app, given up since.
  expect((await say('31', first!.secret)).status).toBe(200);
  await second!.owner.call('DELETE', `/v1/channels/${second!.id}`);
  expect((await say(second!.phone, first!.secret)).status).toBe(200);
  expect((await say(second!.phone, others.at(-1)!.secret)).status).toBe(200);
  expect((await say(second!.phone, 'forged')).status).toBe(401);
});

test('each app is asked once, however many channels share it', async () => {
  await numbers(3);
  for (const nr of Array(27).keys()) await stored({ nr: 500 + nr, secret: 'of the agency' });
  expect(await doorSigners(api.db, 'whatsapp', 201)).toHaveLength(4);
  expect((await say('31', 'of the agency')).status).toBe(200);
  expect((await say('31', 'secret-1')).status).toBe(200);
});

/** As the API writes one, without the trial of its credentials. */
async function stored({ nr, secret }: { nr: number; secret: string }, hasKeys = true) {
  const tenantId = await ensureTenant(api.db, `tenant-${nr % 5}`);
  const id = newId('channel');
  const secrets = { access_token: 't', app_secret: secret, verify_token: `stored-${nr}` };
  const provider = findProvider('whatsapp')!;
  const settings = { phone_number_id: String(nr) };
  await seedChannel(api.db, tenantId, {
    id,
    provider: 'whatsapp',
    name: String(nr),
    account: String(nr),
    doorHashes: hasKeys ? doorHashesOf(provider, { ...settings, ...secrets }, api.keys) : null,
    settings,
    secrets: sealSecrets(secrets, id, api.keys),
    state: 'watching',
  });
  return { id, tenantId };
}

async function missing(db: Db, keys: KeyRing): Promise<string[]> {
  const page = { after: '', limit: 100 };
  const found = await channelsWithoutDoorKeys(db, ['whatsapp'], keys.currentId, page);
  return found.map(({ channelId }) => channelId);
}

async function breakSecrets({ id, tenantId }: { id: ChannelId; tenantId: TenantId }) {
  await inTenant(api.db, tenantId, (tx) =>
    tx
      .updateTable('channels')
      .set({ secrets: Buffer.from('nonsense') })
      .where('id', '=', id)
      .execute(),
  );
}

describe('channels from before', () => {
  test('get their keys by themselves, a batch after the other, and one that can’t be opened keeps none back', async () => {
    const places = [];
    for (const nr of Array(27).keys())
      places.push(await stored({ nr: 700 + nr, secret: `s-${nr}` }, false));
    const broken = places[3]!;
    await breakSecrets(broken);
    expect((await shake('stored-700')).status).toBe(403);
    expect((await say('31', 's-0')).status).toBe(403);
    await makeMissingDoorKeys(api.deps, undefined, 5);
    expect(await shake('stored-700')).toMatchObject({ status: 200, text: '42' });
    expect(await shake('stored-726')).toMatchObject({ status: 200, text: '42' });
    expect((await say('31', 's-0')).status).toBe(200);
    expect(await missing(api.db, api.keys)).toEqual([broken.id]);
    expect(api.logLines.join('')).toContain('door keys can’t be made');
  });

  test('get them from a running API, which ends its work when it is stopped', async () => {
    await stored({ nr: 750, secret: 's' }, false);
    const end = startDoorKeyLoop(api.deps);
    await eventually(async () => expect(await missing(api.db, api.keys)).toEqual([]));
    await end();
    expect((await shake('stored-750')).status).toBe(200);
  });

  test('are found during and after a change of the master key', async () => {
    const [oldKey, newKey] = [KeyRing.generate(), KeyRing.generate()];
    const before = await startTestApi({}, { keys: KeyRing.parse(oldKey) });
    opened.push(before);
    api = before;
    tenants = [await api.client('ada')];
    const [one] = await numbers(1);

    const keys = KeyRing.parse(`${newKey},${oldKey}`);
    api = await startTestApi({}, { db: before.db, keys });
    opened.push(api);
    expect((await shake(one!.word)).status).toBe(200);
    expect(await missing(before.db, keys)).toEqual([one!.id]);
    await makeMissingDoorKeys(api.deps);
    expect(await missing(before.db, keys)).toEqual([]);
    expect((await shake(one!.word)).status).toBe(200);
    // A process that still writes with the old key, and can read the new one.
    api = await startTestApi({}, { db: before.db, keys: KeyRing.parse(`${oldKey},${newKey}`) });
    opened.push(api);
    expect((await shake(one!.word)).status).toBe(200);
  });

  test('have them at the latest when they are started', async () => {
    const [one] = await numbers(1);
    const { owner, id, word } = one!;
    await inTenant(api.db, owner.tenantId, (tx) =>
      tx
        .updateTable('channels')
        .set({ door_word: null, door_signer: null, door_key_id: null, state: 'watching' })
        .execute(),
    );
    expect((await shake(word)).status).toBe(403);
    expect((await owner.call('POST', `/v1/channels/${id}/start`)).status).toBe(200);
    expect((await shake(word)).status).toBe(200);
  });
});

test('one whose secrets can’t be opened is passed over; where no other knows a call, it is asked for again', async () => {
  await stored({ nr: 800, secret: 'whole' });
  await breakSecrets(await stored({ nr: 801, secret: 'lost' }));
  expect((await say('31', 'whole')).status).toBe(200);
  expect((await say('31', 'lost')).status).toBe(503);
});

test('strangers have bounded work done, and keep neither known numbers nor handshakes waiting', async () => {
  for (const nr of Array(205).keys()) await stored({ nr: 2000 + nr, secret: `app-${nr}` });
  const answers = await Promise.all(Array.from({ length: 150 }, () => say('31', 'forged')));
  const statuses = answers.map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([401, 503]));
  // Noted once for a call, however many were asked.
  const noted = api.logLines.filter((line) => line.includes('a door refused a call'));
  expect(noted).toHaveLength(statuses.filter((status) => status === 401).length);
  expect(JSON.parse(noted[0]!)).toMatchObject({ code: 'whatsapp.bad_signature', asked: 200 });
  const [known, shaken] = await Promise.all([say('2000', 'app-0'), shake('stored-2204')]);
  expect([known.status, known.body, shaken.status]).toEqual([200, { accepted: 1 }, 200]);
  const told = api.logLines.filter((line) => line.includes('more apps than'));
  expect(told).toHaveLength(1);
  expect(JSON.parse(told[0]!)).toMatchObject({ provider: 'whatsapp', asked: 200 });
});

test('a call that names more accounts than a vendor would is let in nowhere', async () => {
  const changes = Array.from({ length: 1_001 }, (_, nr) => ({
    field: 'messages',
    value: { metadata: { phone_number_id: `9${nr}` } },
  }));
  const body = JSON.stringify({ object: 'whatsapp_business_account', entry: [{ changes }] });
  expect((await request(door(), 'POST', body)).status).toBe(413);
});

describe('what is kept of a word', () => {
  test('is neither the word nor the same elsewhere, and nobody’s but its tenant’s', async () => {
    const [one, other] = await numbers(2);
    const rows = (tenant: Client) =>
      inTenant(api.db, tenant.tenantId, (tx) =>
        tx.selectFrom('channels').select(['id', 'door_word', 'door_signer']).execute(),
      );
    const [row, ...more] = await rows(one!.owner);
    expect([row!.id, more]).toEqual([one!.id, []]);
    expect((await rows(other!.owner)).map(({ id }) => id)).toEqual([other!.id]);
    const settings = { app_secret: one!.secret, verify_token: one!.word };
    const provider = findProvider('whatsapp')!;
    const here = doorHashesOf(provider, settings, api.keys)!;
    const elsewhere = doorHashesOf(provider, settings, KeyRing.parse(KeyRing.generate()))!;
    expect([row!.door_word, row!.door_signer]).toEqual([here.word, here.signer]);
    expect(elsewhere.word).not.toEqual(here.word);
    expect(JSON.stringify(row)).not.toContain(Buffer.from(one!.word).toString('hex'));
    await shake(one!.word);
    await shake(`${one!.word}-guessed`);
    expect(api.logLines.join('')).not.toContain(one!.word);
    expect(api.logLines.join('')).not.toContain(one!.secret);
  });

  test('is read before a tenant is known by functions that give ids alone, to the product’s role alone', async () => {
    const { rows: seen } = await sql`select id from channels`.execute(api.db);
    expect(seen).toEqual([]);
    const { rows } = await sql<{ name: string; result: string; definer: boolean; open: boolean }>`
      select proname as name, pg_get_function_result(oid) as result, prosecdef as definer,
             has_function_privilege('public', oid, 'execute') as open
        from pg_proc
       where proname in ('door_channels_of_word', 'door_signers', 'channels_without_door_keys',
                         'channels_of_accounts', 'channels_of_provider', 'resolve_account')
       order by proname`.execute(api.db);
    const place = 'tenant_id text, channel_id text, version bigint';
    expect(rows.map(({ name, result }) => [name, result])).toEqual([
      ['channels_of_accounts', `TABLE(account text, ${place})`],
      ['channels_of_provider', 'TABLE(tenant_id text, channel_id text)'],
      ['channels_without_door_keys', 'TABLE(tenant_id text, channel_id text)'],
      ['door_channels_of_word', `TABLE(${place})`],
      ['door_signers', `TABLE(${place})`],
      ['resolve_account', 'TABLE(tenant_id text, channel_id text)'],
    ]);
    expect(rows.every(({ definer, open }) => definer && !open)).toBe(true);
  });
});
