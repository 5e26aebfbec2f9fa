import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { inTenant, type Db } from '../../../db/connection.ts';
import { showMessage } from '../../../db/queries/messages.ts';
import { claimMedia } from '../../../db/queries/pending-media.ts';
import { ProviderFailure } from '../../../domain/failure.ts';
import type { Note } from './pigeon.ts';
import { chatWorld, openDatabase, type ChatWorld } from './world.ts';
import { PNG } from '../../harness/png.ts';

const hex = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

let db: Db;
let world: ChatWorld;

beforeAll(async () => {
  db = await openDatabase();
});
afterAll(() => db.destroy());
beforeEach(async () => {
  world = await chatWorld(db);
});

let count = 0;
function withFiles(...files: NonNullable<Note['files']>): Note {
  count += 1;
  return { id: `wamid.f${count}`, who: '+491701234567', name: 'Ada', at: new Date(), files };
}

async function onlyMessage() {
  const [row, ...others] = await world.rows('messages');
  expect(others).toEqual([]);
  return (await showMessage(db, world.tenantId, row!.id))!;
}

const makeDue = () =>
  inTenant(db, world.tenantId, (tx) =>
    tx
      .updateTable('pending_media')
      .set({ next_at: new Date(0) })
      .execute(),
  );

test('files are fetched with their message, hashed, and told by their bytes', async () => {
  world.pigeon.files.set('one', PNG).set('two', Buffer.from('name,price\n'));
  await world.receive(
    withFiles(
      { id: 'one', contentType: 'image/jpeg', sha256: hex(PNG) },
      { id: 'two', filename: '../../list.csv', contentType: 'text/csv' },
    ),
  );
  expect((await onlyMessage()).attachments).toMatchObject([
    { filename: 'attachment-1.png', content_type: 'image/png', size: PNG.length, sha256: hex(PNG) },
    { filename: 'list.csv', content_type: 'text/csv' },
  ]);
  expect(await world.rows('pending_media')).toEqual([]);
  const [, received] = await world.rows('events');
  expect(received).toMatchObject({
    type: 'message.received',
    data: { message: { attachments: [{ sha256: hex(PNG) }, {}] } },
  });
});

test('a file that is not what it claims to be is called what it is', async () => {
  world.pigeon.files.set('virus', Buffer.concat([Buffer.from('MZ'), Buffer.alloc(100)]));
  await world.receive(withFiles({ id: 'virus', filename: 'cat.jpg', contentType: 'image/jpeg' }));
  const { attachments, metadata } = await onlyMessage();
  expect(attachments[0]!.content_type).not.toMatch(/image/);
  expect(metadata.platform_specific['file_notes']).toEqual([
    expect.stringMatching(/^cat\.jpg: It is called image\/jpeg, but is /),
  ]);
});

test('a large file is streamed, one beyond the limit is given up, and its message stands', async () => {
  const large = Buffer.alloc(3 * 1_048_576, 'x');
  world.pigeon.files.set('large', large).set('huge', Buffer.alloc(6 * 1_048_576));
  await world.receive(withFiles({ id: 'huge', filename: 'huge.bin' }, { id: 'large' }));
  const { attachments, metadata } = await onlyMessage();
  expect(attachments).toMatchObject([{ size: large.length, sha256: hex(large) }]);
  expect(metadata.platform_specific['missing_files']).toEqual([
    {
      position: 0,
      filename: 'huge.bin',
      content_type: null,
      reason: 'The file is larger than the 5 MiB that are kept.',
      given_up: true,
    },
  ]);
  expect(await world.fetchFiles()).toBeNull();
});

test('a file that can’t be had now keeps no message waiting, and comes later', async () => {
  world.pigeon.files.set('later', new ProviderFailure({ ...BUSY })).set('now', PNG);
  await world.receive(withFiles({ id: 'later', filename: 'a.png' }, { id: 'now' }));
  expect(await onlyMessage()).toMatchObject({
    attachments: [{ sha256: hex(PNG) }],
    metadata: { platform_specific: { missing_files: [{ position: 0, given_up: false }] } },
  });
  const wait = await world.fetchFiles();
  expect(wait).toBeGreaterThan(5);
  expect(wait).toBeLessThanOrEqual(30);

  await makeDue();
  expect(await world.fetchFiles()).toBeGreaterThan(30);
  expect(await world.rows('pending_media')).toMatchObject([
    { attempts: 2, given_up: false, error: { code: 'pigeon.busy' } },
  ]);

  const text = Buffer.from('at last');
  world.pigeon.files.set('later', text);
  await makeDue();
  expect(await world.fetchFiles()).toBeNull();
  const message = await onlyMessage();
  expect(message.attachments.map(({ sha256 }) => sha256)).toEqual([hex(text), hex(PNG)]);
  expect(message.metadata.platform_specific['missing_files']).toBeUndefined();
  const events = await world.rows('events');
  expect(events.map(({ type }) => type)).toEqual([
    'ticket.created',
    'message.received',
    'message.updated',
  ]);
  expect(events[2]).toMatchObject({ sequence: 3, data: { message: { id: message.id } } });
});

test('a worker that dies over a file leaves it to the next', async () => {
  world.pigeon.files.set('left', new ProviderFailure({ ...BUSY }));
  await world.receive(withFiles({ id: 'left' }));
  world.pigeon.files.set('left', PNG);
  await makeDue();
  const claimed = await claimMedia(db, world.tenantId, world.channel.facts.id, 5);
  expect(claimed).toMatchObject([{ position: 0, attempts: 2 }]);
  expect(await world.fetchFiles()).toBeGreaterThan(200);
  expect(await world.rows('attachments')).toEqual([]);
  await makeDue();
  expect(await world.fetchFiles()).toBeNull();
  expect((await onlyMessage()).attachments).toMatchObject([{ sha256: hex(PNG) }]);
});

test('one that is gone is given up with its reason', async () => {
  await world.receive(withFiles({ id: 'gone' }));
  expect((await onlyMessage()).metadata.platform_specific['missing_files']).toMatchObject([
    { reason: 'The file is gone.', given_up: true },
  ]);
  expect(await world.fetchFiles()).toBeNull();
});

test('bytes that differ from the vendor’s hash are fetched again, and taken in the end', async () => {
  world.pigeon.files.set('odd', PNG);
  await world.receive(withFiles({ id: 'odd', sha256: hex(Buffer.from('other')) }));
  expect(await world.rows('pending_media')).toMatchObject([{ error: { code: 'media.corrupt' } }]);
  for (let i = 0; i < 2; i++) {
    await makeDue();
    await world.fetchFiles();
  }
  const { attachments, metadata } = await onlyMessage();
  expect(attachments).toMatchObject([{ sha256: hex(PNG) }]);
  expect(metadata.platform_specific['file_notes']).toEqual([
    'attachment-1.png: Its hash differs from what the vendor says.',
  ]);
});

test('a name is asked for once, where the channel gives none', async () => {
  world.pigeon.profiles.set('+491701234567', 'Ada Lovelace');
  const nameless = { ...withFiles(), name: '', files: [], text: 'Hi' };
  await world.receive(nameless);
  await world.receive({ ...nameless, id: 'wamid.again' });
  expect(world.pigeon.asked).toEqual(['profile +491701234567']);
  expect(await world.rows('contacts')).toMatchObject([{ name: 'Ada Lovelace' }]);
});

const BUSY = { code: 'pigeon.busy', class: 'retry', message: 'The pigeon sleeps.' } as const;
