import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createMailboxSyncActivities } from '../../../activities/mailbox-sync.ts';
import { inTenant } from '../../../db/connection.ts';
import { changeChannel, noteNews, wantState } from '../../../db/queries/channel-changes.ts';
import { listTemplates } from '../../../db/queries/message-templates.ts';
import { ProviderFailure } from '../../../domain/failure.ts';
import type { MessageTemplate } from '../../../domain/message-template.ts';
import type { ChannelProvider } from '../../../providers/contract.ts';
import { startTestApi, type TestApi } from '../api-fixture.ts';
import { ChatOutside, seedChat, TEMPLATES, type ChatSeed } from './chat-seed.ts';

let api: TestApi;
let seed: ChatSeed;
let asked = 0;
let account: () => Iterable<MessageTemplate> | AsyncIterable<MessageTemplate>;

beforeAll(async () => {
  api = await startTestApi();
  seed = await seedChat(api.db, 'templates');
});
afterAll(() => api.close());

const provider = (): ChannelProvider => {
  const plain = new ChatOutside().provider();
  return {
    ...plain,
    chat: {
      ...plain.chat!,
      async *templates() {
        asked += 1;
        yield* account();
      },
    },
  };
};

const due = (at: Date | null) =>
  inTenant(api.db, seed.tenantId, (tx) =>
    tx.updateTable('channels').set({ templates_due_at: at }).execute(),
  );
const sync = () =>
  new MockActivityEnvironment().run(() =>
    createMailboxSyncActivities(api.deps, { findProvider: provider }).syncMailbox({
      tenantId: seed.tenantId,
      channelId: seed.channelId,
    }),
  );
const stored = async () =>
  (
    await listTemplates(
      api.db,
      { tenantId: seed.tenantId, id: seed.channelId },
      { after: null, limit: 100 },
    )
  ).map(({ name, language, status }) => [name, language, status]);

test('the account’s templates are read once a day: changed ones replaced, vanished ones gone', async () => {
  const [first, second] = TEMPLATES;
  account = () => [{ ...first!, status: 'paused' }, second!];
  await due(null);
  asked = 0;
  for (let n = 0; n < 3; n += 1) await sync();
  expect(asked).toBe(1);
  expect(await stored()).toEqual([
    ['greeting', 'en_US', 'approved'],
    ['order_update', 'en_US', 'paused'],
  ]);
  await due(new Date(Date.now() - 1000));
  await sync();
  expect(asked).toBe(2);
});

test('news that comes while they are being read has them read once more', async () => {
  const channel = { tenantId: seed.tenantId, id: seed.channelId };
  const [first] = TEMPLATES;
  let status: MessageTemplate['status'] = 'approved';
  account = async function* () {
    yield { ...first!, status };
    // It had been read already when it became another.
    if (status === 'approved') await noteNews(api.db, channel, 'whatsapp', 'account');
    status = 'paused';
  };
  await due(null);
  asked = 0;
  for (let n = 0; n < 3; n += 1) await sync();
  expect(asked).toBe(2);
  expect(await stored()).toEqual([['order_update', 'en_US', 'paused']]);
});

test('what can’t be read leaves what is there, and mail is fetched all the same', async () => {
  const before = await stored();
  account = () => {
    throw new ProviderFailure({ code: 'vendor.busy', class: 'wait', message: 'Later.' });
  };
  await due(null);
  asked = 0;
  expect(await sync()).toEqual({ received: 0, againSeconds: 300 });
  expect(await sync()).toEqual({ received: 0 });
  expect(asked).toBe(1);
  expect(await stored()).toEqual(before);
});

test('a token that is refused while reading them is the channel’s trouble', async () => {
  account = () => {
    throw new ProviderFailure({ code: 'vendor.token', class: 'reauthenticate', message: 'No.' });
  };
  await due(null);
  await expect(sync()).rejects.toMatchObject({ type: 'vendor.token', nonRetryable: true });
});

test('other settings, and a start, have them read at once; another name doesn’t', async () => {
  const changed = (reconnects: boolean) =>
    changeChannel(api.db, seed.tenantId, seed.channelId, () => ({ reconnects }));
  const wanted = (state: 'stopped' | 'running') =>
    wantState(api.db, seed.tenantId, seed.channelId, state);
  account = () => TEMPLATES;
  await due(null);
  await sync();
  asked = 0;
  await changed(false);
  await sync();
  expect(asked).toBe(0);
  await changed(true);
  for (let n = 0; n < 2; n += 1) await sync();
  expect(asked).toBe(1);
  for (const state of ['stopped', 'running'] as const) await wanted(state);
  for (let n = 0; n < 2; n += 1) await sync();
  expect(asked).toBe(2);
});
