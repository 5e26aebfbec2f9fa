import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { inTenant, type Db } from '../../../db/connection.ts';
import { chatWorld, openDatabase, type ChatWorld } from './world.ts';

// Whose name the vendor did not tell is asked for again, once a day, as long as they write.

const ADA = '+491701234567';
const AGO = (hours: number) => new Date(Date.now() - hours * 3_600_000);

let db: Db;
let world: ChatWorld;
let said = 0;

beforeAll(async () => {
  db = await openDatabase();
});
afterAll(() => db.destroy());
beforeEach(async () => {
  world = await chatWorld(db);
});

const writes = () => world.receive({ id: `mid.${(said += 1)}`, who: ADA, text: 'Hi', at: AGO(0) });
const askedAt = (profile_asked_at: Date | null) =>
  inTenant(db, world.tenantId, (tx) =>
    tx.updateTable('conversations').set({ profile_asked_at }).execute(),
  );
const name = async () => (await world.rows('contacts'))[0]!.name;

test('a nameless person’s name is asked for once a day, and no more once it was told', async () => {
  for (let n = 0; n < 3; n += 1) await writes();
  expect(world.pigeon.asked).toEqual([`profile ${ADA}`]);
  expect(await name()).toBeNull();

  await askedAt(AGO(25));
  for (let n = 0; n < 2; n += 1) await writes();
  expect(world.pigeon.asked).toHaveLength(2);

  world.pigeon.profiles.set(ADA, 'Ada Lovelace');
  await askedAt(AGO(25));
  await writes();
  expect(world.pigeon.asked).toHaveLength(3);
  expect(await name()).toBe('Ada Lovelace');

  await askedAt(AGO(25));
  await writes();
  expect(world.pigeon.asked).toHaveLength(3);
});

test('people from before it was noted are asked for once', async () => {
  await writes();
  await askedAt(null);
  for (let n = 0; n < 2; n += 1) await writes();
  expect(world.pigeon.asked).toHaveLength(2);
});
