import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createMailboxSyncActivities } from '../../../activities/mailbox-sync.ts';
import { changeChannel } from '../../../db/queries/channel-changes.ts';
import { noteRefusal } from '../../../db/queries/channel-refusals.ts';
import { loadChannel } from '../../../db/queries/channels.ts';
import type { ChannelProvider } from '../../../providers/contract.ts';
import { startTestApi, type TestApi } from '../api-fixture.ts';
import { ChatOutside, seedChat, type ChatSeed } from './chat-seed.ts';

let api: TestApi;
let seed: ChatSeed;
/** What the vendor says to a trial of the credentials. */
let trial: () => Promise<boolean>;
let trials = 0;

beforeAll(async () => {
  api = await startTestApi();
  seed = await seedChat(api.db, 'trial');
});
afterAll(() => api.close());

const provider = (): ChannelProvider => ({
  ...new ChatOutside().provider(),
  validate: async () => {
    trials += 1;
    const ok = await trial();
    return { ok, problems: ok ? [] : [{ step: 'login', detail: 'No.' }], warnings: [], facts: [] };
  },
});
const sync = () =>
  new MockActivityEnvironment().run(() =>
    createMailboxSyncActivities(api.deps, { findProvider: provider }).syncMailbox({
      tenantId: seed.tenantId,
      channelId: seed.channelId,
    }),
  );
const adminChanges = () =>
  changeChannel(api.db, seed.tenantId, seed.channelId, () => ({ reconnects: true }));

test('a trial of settings that an admin changes meanwhile says nothing of the new ones, which are tried at once', async () => {
  const channel = (await loadChannel(api.db, api.deps.keys, seed.tenantId, seed.channelId))!;
  await noteRefusal(api.db, channel, 'send', { code: 'vendor.token', message: 'No.' });
  trial = async () => {
    await adminChanges();
    return false;
  };
  expect(await sync()).toMatchObject({ refusal: { type: 'vendor.token' } });
  trial = () => Promise.resolve(true);
  expect(await sync()).not.toHaveProperty('refusal');
  expect(trials).toBe(2);
});
