import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { inTenant, type Db } from '../../../db/connection.ts';
import { stageReceipts } from '../../../db/queries/sources.ts';
import { seededRandom } from '../../../simulators/faults.ts';
import { HOUR_MS, sourceOf, type Note } from './pigeon.ts';
import { chatWorld, openDatabase, type ChatWorld } from './world.ts';

const START = Date.parse('2026-11-20T10:00:00Z');
const PEOPLE = ['+4915000001', '+4915000002', '+4915000003', '+4915000004'];

let db: Db;

beforeAll(async () => {
  db = await openDatabase();
});
afterAll(() => db.destroy());

/** What one person and the business say to each other; the minute is the place in time. */
function talk(who: string): Note[] {
  const at = (minute: number) => new Date(START + minute * 60_000);
  const said = (minute: number, more: Partial<Note> = {}): Note => ({
    id: `${who}/${minute}`,
    who,
    name: 'Ada',
    text: `said at ${minute}`,
    at: at(minute),
    ...more,
  });
  const mark = (minute: number, to: number, emoji: string) =>
    said(minute, { text: '', reaction: { to: `${who}/${to}`, emoji } });
  return [
    said(0),
    said(1, { quotes: `${who}/0` }),
    said(2, { echo: true, text: 'from the business' }),
    mark(3, 2, '👍'),
    mark(4, 2, '❤️'),
    mark(5, 0, '😀'),
    mark(6, 0, ''),
    said(7),
    said(8, { text: 'STOP' }),
    said(9, { text: 'START' }),
    said(10),
    ...(who.endsWith('1') ? [said(11, { text: 'Abmelden' })] : []),
  ];
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, place: random() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

async function deliver(world: ChatWorld, notes: readonly Note[], random: () => number) {
  const queue = [...notes];
  const ingesting: Promise<number>[] = [];
  while (queue.length > 0) {
    const some = queue.splice(0, 1 + Math.floor(random() * 6));
    await inTenant(db, world.tenantId, (tx) =>
      stageReceipts(
        tx,
        world.tenantId,
        world.channel.facts.id,
        some.map((note) => ({
          source: sourceOf(note),
          providerMessageId: note.id,
          receivedAt: new Date(),
        })),
      ),
    );
    ingesting.push(world.ingest());
  }
  await Promise.all(ingesting);
  await world.ingest();
}

test.each([1, 2, 3, 4])(
  'shuffled, repeated and by several workers at once, the end is the same (seed %i)',
  async (seed) => {
    const random = seededRandom(seed);
    const world = await chatWorld(db);
    const all = PEOPLE.flatMap(talk);
    const repeats = all.filter(() => random() < 0.2);
    await deliver(world, shuffled([...all, ...repeats], random), random);

    expect((await world.rows('sources')).map(({ status }) => status)).toEqual(
      all.map(() => 'ingested'),
    );
    const messages = await world.rows('messages');
    const unmarked = all.filter(({ reaction }) => !reaction);
    expect(messages).toHaveLength(unmarked.length);
    expect(new Set(messages.map((row) => row.provider_message_id))).toEqual(
      new Set(unmarked.map(({ id }) => id)),
    );
    expect(await world.rows('contacts')).toHaveLength(PEOPLE.length);
    expect(await world.rows('tickets')).toHaveLength(PEOPLE.length);
    const echoes = messages.filter(({ direction }) => direction === 'outbound');
    expect(echoes.map((row) => row.ticket_id)).not.toContain(null);
    for (const who of PEOPLE) {
      const hasLeft = who.endsWith('1');
      const last = hasLeft ? 11 : 10;
      const conversation = (await world.rows('conversations')).find((row) => row.address === who)!;
      expect(conversation).toMatchObject({
        window_ends_at: new Date(START + last * 60_000 + 24 * HOUR_MS),
        last_inbound_at: new Date(START + last * 60_000),
        opted_out_at: hasLeft ? new Date(START + 11 * 60_000) : null,
      });
      const marksOn = (minute: number) =>
        messages
          .find((row) => row.provider_message_id === `${who}/${minute}`)!
          .reactions!.map(({ emoji }) => emoji);
      expect([marksOn(2), marksOn(0)]).toEqual([['❤️'], ['']]);
    }
    const sequences = Map.groupBy(await world.rows('events'), (event) => event.ticket_id);
    for (const [ticketId, events] of sequences)
      if (ticketId !== null)
        expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, place) => place + 1));
  },
);
