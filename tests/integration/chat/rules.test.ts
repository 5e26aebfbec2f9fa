// oxlint-disable unicorn/no-thenable -- a rule's `then` is an object, and awaits nothing
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { inTenant, type Db } from '../../../db/connection.ts';
import { releaseFiltered } from '../../../db/queries/filtered.ts';
import type { ChannelRules } from '../../../domain/rules/schema.ts';
import { chatWorld, openDatabase, type ChatWorld } from './world.ts';

let db: Db;
let world: ChatWorld;

beforeAll(async () => {
  db = await openDatabase();
});
afterAll(() => db.destroy());
beforeEach(async () => {
  world = await chatWorld(db);
});

const setRules = (rules: ChannelRules) =>
  inTenant(db, world.tenantId, (tx) =>
    tx
      .updateTable('channels')
      .set({ rules: JSON.stringify(rules) })
      .where('id', '=', world.channel.facts.id)
      .execute(),
  );

let count = 0;
function said(text: string, who = '+491701234567', echo = false) {
  count += 1;
  return { id: `wamid.r${count}`, who, name: 'Ada', text, at: new Date(), echo };
}

test('conditions see number, type, first line and text', async () => {
  await setRules({
    rules: [
      rule('number', { field: 'sender', is: '+491701234567' }),
      rule('type', { field: 'type', is: 'text' }),
      rule('line', { field: 'subject', contains: 'kettle' }),
      rule('text', { field: 'body', matches: 'order (\\d+)' }),
      rule('other', { field: 'type', is: 'image' }),
    ],
  });
  await world.receive(said('My kettle\norder 42'));
  expect(await world.rows('tickets')).toMatchObject([{ tags: ['number', 'type', 'line', 'text'] }]);
});

function rule(
  name: string,
  condition: NonNullable<NonNullable<ChannelRules['rules']>[0]['when']['all']>[0],
) {
  return { name, when: { all: [condition] }, then: { tags: [name] } };
}

test('a number on the blocklist is kept in the journal, and can be let in; echoes pass', async () => {
  await setRules({ blocklist: { senders: ['+491701234567'] } });
  expect(await world.receive(said('spam'), said('sent beside us', undefined, true))).toBe(1);
  const [source] = await world.rows('sources');
  expect(source).toMatchObject({ status: 'filtered', filtered: { by: 'blocklist' } });
  await releaseFiltered(db, world.tenantId, source!.id);
  await world.ingest();
  expect(await world.rows('tickets')).toMatchObject([{ subject: 'spam' }]);
});

test('a keyword is looked for in the first line', async () => {
  await setRules({ subject_keywords: ['kettle'] });
  await world.receive(said('hello'));
  expect(await world.rows('tickets')).toEqual([]);
  await world.receive(said('my KETTLE'));
  await world.receive(said('hello again'));
  expect(await world.rows('tickets')).toMatchObject([{ message_count: 2 }]);
});
