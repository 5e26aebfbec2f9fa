import { metaSimulator, type MetaSimulator } from '../../simulators/meta/simulator.ts';
import type { Cast, Chooser } from './cast.ts';

export interface Subscribed {
  readonly chosen: Readonly<Record<string, Chooser>>;
  readonly simulator: MetaSimulator;
}

/** Doors that their vendor calls as long as it is asked to: asked, refused, and left; and a token that dies meanwhile. */
export async function runSubscribed(cast: Cast): Promise<Subscribed> {
  const { postroom } = cast;
  const simulator = await metaSimulator();
  const channel = async (name: string, refuses = false, page = simulator.page({ name })) => {
    const settings = simulator.settings(page);
    if (refuses) page.token.permissions.delete('pages_manage_metadata');
    return (await cast.post('/v1/channels', { provider: 'messenger', name, settings })).id;
  };
  const subscribed = await channel('Subscribed');
  const left = await channel('Left');
  const refused = await channel('Refused', true);
  for (const id of [subscribed, left]) await cast.channelIs(id, 'watching');
  await cast.post(`/v1/channels/${subscribed}/sync`);
  await cast.post(`/v1/channels/${left}`, { is_active: false }, 'PATCH');
  await cast.hasEnded(`mailbox/${postroom.tenantId}/${left}`);
  const page = simulator.page({ name: 'Expiring' });
  const expiring = await channel('Expiring', false, page);
  await cast.channelIs(expiring, 'watching');
  page.token.state = 'expired';
  // Refused; what it answers is the vendor's word.
  await postroom.call('POST', `/v1/channels/${expiring}/templates:sync`);
  await cast.channelIs(expiring, 'needs_attention');
  page.token.state = 'good';
  await cast.post(`/v1/channels/${expiring}/sync`);
  await cast.channelIs(expiring, 'watching');

  const door = (id: string, event: (history: string) => boolean = () => true): Chooser => {
    return ({ workflowId, history }) =>
      workflowId === `mailbox/${postroom.tenantId}/${id}` && event(JSON.stringify(history));
  };
  const chosen = {
    'door-subscribed': door(subscribed),
    'door-left': door(left),
    'door-expiring': door(expiring),
    'door-refused': door(refused, (history) => history.includes('activityTaskFailed')),
  };
  return { chosen, simulator };
}
