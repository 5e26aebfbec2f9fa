import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { loadConfig } from '../../../config/config.ts';
import { inTenant } from '../../../db/connection.ts';
import { stageReceipts, stageSource } from '../../../db/queries/sources.ts';
import { ensureTenant } from '../../../db/queries/tenants.ts';
import { newId, type ChannelId, type TenantId } from '../../../domain/ids.ts';
import { KeyRing } from '../../../security/key-ring.ts';
import { createLogger } from '../../../telemetry/log.ts';
import { openDeps, type OpenDeps } from '../../../workers/deps.ts';
import { startWorkers, type RunningWorkers } from '../../../workers/start.ts';
import { eventually } from '../../harness/eventually.ts';
import { testDatabase, testTemporal } from '../../harness/index.ts';
import { metaCall, WHATSAPP_SETTINGS } from './meta-call.ts';
import { seedChannel } from '../../workflow/channel-seed.ts';

let deps: OpenDeps;
let workers: RunningWorkers;
let tenantId: TenantId;
const channelId: ChannelId = newId('channel');

beforeAll(async () => {
  const [database, temporal] = await Promise.all([testDatabase(), testTemporal()]);
  deps = openDeps(
    loadConfig({
      DATABASE_URL: database.url,
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: temporal.namespace,
      POSTROOM_MASTER_KEY: KeyRing.generate(),
    }),
    createLogger('fatal'),
  );
  workers = await startWorkers(deps, ['mailboxes', 'providers']);
  tenantId = await ensureTenant(deps.db, 'chats');
});

afterAll(async () => {
  await workers.stop();
  await deps.close();
});

const rows = () =>
  inTenant(deps.db, tenantId, async (tx) => ({
    sources: await tx.selectFrom('sources').select(['status', 'attempts']).orderBy('id').execute(),
    messages: await tx.selectFrom('messages').select(['reactions']).execute(),
    channel: await tx.selectFrom('channels').select(['state']).executeTakeFirst(),
  }));

test('what overtook its message is looked at again by the workflow itself', async () => {
  const { pending } = await seedChannel(deps.db, tenantId, {
    id: channelId,
    provider: 'whatsapp',
    name: 'WhatsApp',
    settings: { ...WHATSAPP_SETTINGS, whatsapp_enabled: true },
  });
  await deps.relay.flush(pending);
  await eventually(async () => expect((await rows()).channel?.state).toBe('watching'));
  const reaction = {
    source: metaCall({
      id: 'wamid.mark',
      type: 'reaction',
      reaction: { message_id: 'wamid.said', emoji: '👍' },
    }),
    providerMessageId: 'wamid.mark',
    receivedAt: new Date(),
  };
  const channel = { tenantId, id: channelId, provider: 'whatsapp' };
  const staged = await stageSource(deps.db, channel, reaction);
  await deps.relay.flush(staged.pending);
  // Nobody nudges for this one: it is found when the reaction is looked at again.
  const said = {
    source: metaCall({ id: 'wamid.said', type: 'text', text: { body: 'Hello' } }),
    providerMessageId: 'wamid.said',
    receivedAt: new Date(),
  };
  await sleep(2000);
  expect((await rows()).sources).toMatchObject([{ status: 'staged' }]);
  await inTenant(deps.db, tenantId, (tx) => stageReceipts(tx, tenantId, channelId, [said]));
  await eventually(async () => {
    const { messages, sources } = await rows();
    expect(messages).toMatchObject([{ reactions: [{ emoji: '👍' }] }]);
    expect(sources.map(({ status }) => status)).toEqual(['ingested', 'ingested']);
  }, 90_000);
});
