import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { inTenant, type Db } from '../../../db/connection.ts';
import { updateContact } from '../../../db/queries/contacts.ts';
import { listMessages, talksOfContact } from '../../../db/queries/inbox.ts';
import { lockLoose } from '../../../db/queries/loose-messages.ts';
import { newId, type ChannelId, type ContactId } from '../../../domain/ids.ts';
import { startTestApi, type Client, type TestApi } from '../api-fixture.ts';
import { analyze, planOf } from './plans.ts';
import { minute, scene } from './scene.ts';

// Of a tenant that makes no tickets of what comes in: what one customer wrote is found without reading the others'.

const ADA = 'Ada@Example.com';
let api: TestApi;
let client: Client;
let chat: ChannelId;
let ada: ContactId;

beforeAll(async () => {
  api = await startTestApi();
  client = await api.client('by-address');
  const rows = scene(api.db, client.tenantId);
  chat = await rows.channel('whatsapp', 'chat', { state: 'watching' });
  ada = await rows.contact('Ada', ADA.toLowerCase(), '7@example.com');
  const others = await rows.contact('The others');
  await rows.inDb(async (tx) => {
    await sql`
      insert into messages (id, tenant_id, channel_id, direction, status, body, timestamp, message_id)
      select 'msg_by_address' || n, ${client.tenantId}, ${chat}, 'inbound', 'received',
             jsonb_build_object('from', case n when 1 then ${ADA} else n || '@example.com' end, 'to', '[]'::jsonb, 'cc', '[]'::jsonb),
             ${minute(0)}::timestamptz + n * interval '1 second', 'by-address' || n
        from generate_series(1, 20000) n`.execute(tx);
    await sql`
      insert into conversations (tenant_id, channel_id, address, contact_id)
      select ${client.tenantId}, ${chat}, n || '@Example.com', ${others} from generate_series(1, 20000) n`.execute(
      tx,
    );
  });
  await analyze(api.db, client.tenantId, 'messages');
  await analyze(api.db, client.tenantId, 'conversations');
});
afterAll(() => api.close());

const inTx = (work: (tx: Parameters<Parameters<typeof inTenant>[2]>[0]) => Promise<unknown>) => {
  return (db: Db) => inTenant(db, client.tenantId, work);
};

const messagesOfAda = (db: Db) => {
  const page = { after: null, limit: 50, order: 'desc' } as const;
  return listMessages(db, client.tenantId, { contact_id: ada }, page);
};

it.each([
  [
    'a person’s messages',
    messagesOfAda,
    /union/,
    /messages_without_ticket.*Index Cond: [^\n]*other_end/s,
  ],
  [
    'a person’s talks',
    inTx((tx) => talksOfContact(tx, client.tenantId, ada)),
    /with latest/,
    /messages_without_ticket.*Index Cond: [^\n]*other_end/s,
  ],
  [
    'the latest of a conversation that a ticket is made of',
    inTx((tx) =>
      lockLoose(
        tx,
        { id: newId('message'), channel_id: chat, tenant_id: client.tenantId },
        ADA.toUpperCase(),
      ),
    ),
    /limit/,
    /messages_without_ticket.*Index Cond: [^\n]*other_end/s,
  ],
  [
    'the conversations of an address that somebody is given',
    (db: Db) =>
      updateContact(db, client.tenantId, ada, { addresses: [ADA.toLowerCase(), '7@example.com'] }),
    /update "conversations"/,
    /conversations_by_address.*Index Cond: [^\n]*folded_address/s,
  ],
])('%s are found by the address', async (_name, work, which, plan) => {
  expect(await planOf(api.db, client.tenantId, work, which)).toMatch(plan);
});

it('in any spelling', async () => {
  const found = await messagesOfAda(api.db);
  expect(found.map(({ id }) => id)).toEqual(['msg_by_address7', 'msg_by_address1']);
});
