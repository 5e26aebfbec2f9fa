import { createGmailSimulator, type GmailSimulator } from '../../simulators/gmail/simulator.ts';
import { NUDGE_SIGNAL, type MailboxNews } from '../../workflows/contracts/mailbox.ts';
import { eventually } from '../harness/eventually.ts';
import type { Cast, Chooser } from './cast.ts';

/** A watch is asked for again a minute after the last time, however soon it ends. */
const PATIENCE_MS = 150_000;
/** Ends while we look. */
const SHORT_LIFE_MS = 8_000;

export interface Pushed {
  readonly chosen: Readonly<Record<string, Chooser>>;
  readonly simulator: GmailSimulator;
}

/** Mailboxes whose vendor pushes: with a watch that is renewed, without one, and stopped. */
export async function runPushed(cast: Cast): Promise<Pushed> {
  const { postroom } = cast;
  const simulator = await createGmailSimulator();
  simulator.clock.watchLifeMs = SHORT_LIFE_MS;
  const channel = async (name: string, settings: object): Promise<string> => {
    const account = await simulator.account(`${name}@gmail.test`);
    const made = await cast.post('/v1/channels', {
      provider: 'gmail',
      name,
      settings: { ...simulator.settingsOf(account), ...settings },
    });
    return made.id;
  };
  const watch = {
    pubsub_topic: 'projects/simulated/topics/gmail',
    push_service_account: 'push@simulated.iam.gserviceaccount.com',
  };
  const pushed = await channel('pushed', watch);
  const released = await channel('released', watch);
  const asked = await channel('asked', watch);
  const looking = await channel('looking', { watch_enabled: false });
  for (const id of [pushed, released, asked, looking]) await cast.channelIs(id, 'watching');

  const expiryOf = async (id: string) =>
    Date.parse((await postroom.call('GET', `/v1/channels/${id}/status`)).body.watch_expires_at);
  const renewed = async (id: string, after: number) =>
    eventually(async () => {
      if (!((await expiryOf(id)) > after)) throw new Error('The watch is not renewed.');
    }, PATIENCE_MS);
  const first = await expiryOf(asked);
  const news: MailboxNews = { push: true, renew: true };
  await postroom.deps.client.workflow
    .getHandle(`mailbox/${postroom.tenantId}/${asked}`)
    .signal(NUDGE_SIGNAL, news);
  await renewed(asked, first);
  await renewed(pushed, await expiryOf(pushed));
  await cast.post(`/v1/channels/${pushed}/sync`);
  await cast.post(`/v1/channels/${released}`, { is_active: false }, 'PATCH');
  await cast.hasEnded(`mailbox/${postroom.tenantId}/${released}`);

  const mailbox = (id: string): Chooser => {
    return ({ workflowId }) => workflowId === `mailbox/${postroom.tenantId}/${id}`;
  };
  const chosen = {
    'mailbox-pushed': mailbox(pushed),
    'mailbox-renewal-asked': mailbox(asked),
    'mailbox-looking': mailbox(looking),
    'mailbox-released': mailbox(released),
  };
  return { chosen, simulator };
}
