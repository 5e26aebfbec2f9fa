import { setTimeout as sleep } from 'node:timers/promises';
import { FIRST_DELIVERY, type GeneratedMail } from '../tests/generator/mails.ts';
import type { Dovecot, DovecotUser } from '../tests/harness/dovecot.ts';
import type { Product, Tenant } from './stage.ts';
import { cpuBetween, cpuOf, type Cpu } from './usage.ts';

/** What one first import of a mailbox took. */
export interface ImportRun {
  readonly mails: number;
  readonly seconds: number;
  readonly cpu: Cpu;
}

const LOOK_EVERY_MS = 200;

export function deliverAll(
  server: Dovecot,
  user: DovecotUser,
  mails: Iterable<GeneratedMail>,
): void {
  for (const { raw, deliveredAt } of mails) server.deliver(user.username, raw, { at: deliveredAt });
}

export interface ChannelStatus {
  readonly state: string;
  readonly detail: string;
  readonly set_aside: number;
}

/** Makes the channel by the API; what is in the folder comes in from then on. Returns its id. */
export async function addChannel(
  product: Product,
  tenant: Tenant,
  server: Dovecot,
  user: DovecotUser,
  more: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const { id } = await tenant.call<{ id: string }>(product, 'POST', '/v1/channels', {
    provider: 'imap',
    name: 'Support',
    settings: {
      host: server.host,
      port: server.ports.imap,
      security: 'none',
      ...user,
      import_since: FIRST_DELIVERY.toISOString().slice(0, 10),
      ...more,
    },
  });
  return id;
}

export async function untilWatching(
  product: Product,
  tenant: Tenant,
  channelId: string,
): Promise<void> {
  for (;;) {
    const path = `/v1/channels/${channelId}/status`;
    const status = await tenant.call<ChannelStatus>(product, 'GET', path);
    if (status.state === 'watching') return;
    if (!['connecting', 'importing'].includes(status.state))
      throw new Error(`The channel is ${status.state}: ${status.detail}`);
    await sleep(LOOK_EVERY_MS);
  }
}

/** From the API call that makes the channel until every mail is a message and every workflow is started. */
export async function importMailbox(
  product: Product,
  tenant: Tenant,
  server: Dovecot,
  user: DovecotUser,
  mails: number,
): Promise<ImportRun> {
  const before = cpuOf([product.pid]);
  const began = performance.now();
  const channelId = await addChannel(product, tenant, server, user);
  await untilWatching(product, tenant, channelId);
  const seconds = (performance.now() - began) / 1000;
  return { mails, seconds, cpu: cpuBetween(before, cpuOf([product.pid])) };
}
