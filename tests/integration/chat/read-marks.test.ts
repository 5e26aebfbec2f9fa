import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { storedChannelCall } from '../../../db/channel-call.ts';
import type { Db } from '../../../db/connection.ts';
import { markAnswered, markRead } from '../../../db/mark-read.ts';
import { findReadable } from '../../../db/queries/read-marks.ts';
import { chatWorld, openDatabase, type ChatWorld } from './world.ts';

const ADA = '+491701234567';

let db: Db;
let world: ChatWorld;

beforeAll(async () => {
  db = await openDatabase();
});
afterAll(() => db.destroy());
beforeEach(async () => {
  world = await chatWorld(db);
  await world.receive(said('mid.1', 0), said('mid.2', 1), said('mid.3', 2));
});

function said(id: string, minute: number) {
  const at = new Date(Date.parse('2026-11-20T10:00:00Z') + minute * 60_000);
  return { id, who: ADA, name: 'Ada', text: id, at };
}

const { signal } = new AbortController();
const place = async () => ({
  channel: world.channel,
  call: await storedChannelCall(world.deps, world.pigeon.provider, world.channel, { signal }),
});
const statuses = async () =>
  (await world.rows('messages'))
    .toSorted((a, b) => a.timestamp.getTime() - b.timestamp.getTime())
    .map(({ status }) => status);

test('who has read a message has read those before it', async () => {
  const second = (await world.rows('messages')).find((row) => row.provider_message_id === 'mid.2')!;
  const message = (await findReadable(db, world.tenantId, second.id))!;
  await markRead(world.deps, world.pigeon.provider, await place(), message);
  expect(world.pigeon.asked).toEqual(['read mid.2']);
  expect(await statuses()).toEqual(['read', 'read', 'received']);
});

test('an answer marks all, and tells the vendor once', async () => {
  for (let i = 0; i < 2; i++)
    await markAnswered(world.deps, world.pigeon.provider, await place(), ADA);
  expect(world.pigeon.asked).toEqual(['read mid.3']);
  expect(await statuses()).toEqual(['read', 'read', 'read']);
});
