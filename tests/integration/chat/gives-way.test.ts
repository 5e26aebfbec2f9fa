import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { ingestStaged } from '../../../activities/ingestion.ts';
import type { Db } from '../../../db/connection.ts';
import { stageReceipts } from '../../../db/queries/sources.ts';
import { inTenant } from '../../../db/connection.ts';
import type { LoadedChannel } from '../../../db/queries/channels.ts';
import { RightOfWay } from '../../../domain/right-of-way.ts';
import { sourceOf, type Note } from './pigeon.ts';
import { chatWorld, openDatabase, type ChatWorld } from './world.ts';

// While doors are busy, what they took is worked off a channel at a time.

const CHANNELS = 4;

let db: Db;
let world: ChatWorld;
let channels: LoadedChannel[];

beforeAll(async () => {
  db = await openDatabase();
});
afterAll(() => db.destroy());
beforeEach(async () => {
  world = await chatWorld(db);
  channels = await Promise.all(Array.from({ length: CHANNELS }, () => world.newChannel()));
});

/** Ingests one message of each channel, all side by side. */
async function ingestAll(way: RightOfWay, handOverMs: number) {
  const told: (boolean | undefined)[] = [];
  let now = 0;
  let most = 0;
  const deps = {
    ...world.deps,
    way,
    relay: {
      ...world.deps.relay,
      async flush(_work: unknown, { gently }: { gently?: boolean } = {}) {
        told.push(gently);
        now += 1;
        most = Math.max(most, now);
        await sleep(handOverMs);
        now -= 1;
      },
    },
  };
  await Promise.all(channels.map((channel, index) => receive(channel, `person ${index}`)));
  const ingested = await Promise.all(
    channels.map((channel) =>
      ingestStaged(
        deps,
        channel,
        () => {},
        () => world.pigeon.provider,
      ),
    ),
  );
  return { ingested, told, most };
}

async function receive(channel: LoadedChannel, who: string): Promise<void> {
  const note: Note = {
    id: `${channel.facts.id}/1`,
    who,
    name: 'Ada',
    text: 'Hello',
    at: new Date(),
  };
  const receipt = { source: sourceOf(note), providerMessageId: note.id, receivedAt: new Date() };
  await inTenant(db, world.tenantId, (tx) =>
    stageReceipts(tx, world.tenantId, channel.facts.id, [receipt]),
  );
}

test('busy: one channel after the other, and tickets are started gently', async () => {
  const way = new RightOfWay();
  const calls = setInterval(() => {
    for (let call = 0; call < 20; call += 1) way.stored(1);
  }, 10);
  try {
    await sleep(50);
    expect(await ingestAll(way, 50)).toEqual({
      ingested: [1, 1, 1, 1],
      told: [true, true, true, true],
      most: 1,
    });
  } finally {
    clearInterval(calls);
  }
});

test('calm: side by side', async () => {
  const { ingested, told, most } = await ingestAll(new RightOfWay(), 2_000);
  expect({ ingested, told }).toEqual({
    ingested: [1, 1, 1, 1],
    told: [false, false, false, false],
  });
  expect(most).toBeGreaterThan(1);
});
