import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { ingestStaged } from '../../../activities/ingestion.ts';
import { reparse } from '../../../activities/reparse.ts';
import { inTenant, type Db } from '../../../db/connection.ts';
import { loadChannel } from '../../../db/queries/channels.ts';
import { stageReceipts } from '../../../db/queries/sources.ts';
import { metaCall, WHATSAPP_SETTINGS } from './meta-call.ts';
import { chatWorld, openDatabase, type ChatWorld } from './world.ts';
import { seedChannel } from '../../workflow/channel-seed.ts';

let db: Db;
let world: ChatWorld;

beforeAll(async () => {
  db = await openDatabase();
});
afterAll(() => db.destroy());
beforeEach(async () => {
  world = await chatWorld(db);
  const { id } = await seedChannel(db, world.tenantId, {
    provider: 'whatsapp',
    name: 'WhatsApp',
    settings: WHATSAPP_SETTINGS,
    state: 'watching',
  });
  world.channel = (await loadChannel(db, world.deps.keys, world.tenantId, id))!;
});

const body = async () =>
  (await world.rows('messages'))[0]!.body as {
    content: string;
    attachments: unknown[];
    sender: { name: string };
    metadata: { platform_specific: Record<string, unknown> };
  };

test('a chat’s stored source is read again; its files and its ticket stay', async () => {
  await inTenant(db, world.tenantId, (tx) =>
    stageReceipts(tx, world.tenantId, world.channel.facts.id, [
      {
        source: metaCall({ id: 'wamid.one', type: 'text', text: { body: 'The kettle leaks' } }),
        providerMessageId: 'wamid.one',
        receivedAt: new Date(),
      },
    ]),
  );
  expect(await ingestStaged(world.deps, world.channel, () => {})).toBe(1);
  const [before] = await world.rows('messages');
  const file = {
    filename: 'a.png',
    content_type: 'image/png',
    size: 1,
    sha256: 'ab',
    inline: false,
    content_id: null,
  };
  const missing = [
    { position: 1, filename: null, content_type: null, reason: 'x', given_up: true },
  ];
  // As an older reader would have left it.
  await inTenant(db, world.tenantId, (tx) =>
    sql`update messages set parser_version = 1, body = body
          || ${JSON.stringify({ content: 'old words', attachments: [file] })}::jsonb
          || jsonb_build_object('metadata', jsonb_set(body->'metadata', '{platform_specific,missing_files}',
               ${JSON.stringify(missing)}::jsonb))`.execute(tx),
  );
  const changed: (readonly string[])[] = [];
  const totals = await reparse(db, world.tenantId, {}, ({ message }) => {
    if (message) changed.push(message.fields);
  });
  expect(totals).toMatchObject({ read: 1, changed: 1, failed: 0 });
  expect(changed).toEqual([['content']]);
  expect(await body()).toMatchObject({
    content: 'The kettle leaks',
    attachments: [file],
    metadata: { platform_specific: { missing_files: missing } },
  });
  const [after] = await world.rows('messages');
  expect({ id: after!.id, ticket: after!.ticket_id }).toEqual({
    id: before!.id,
    ticket: before!.ticket_id,
  });
  expect(await reparse(db, world.tenantId, {}, () => {})).toMatchObject({ read: 0 });
});
