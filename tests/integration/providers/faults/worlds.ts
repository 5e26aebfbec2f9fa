import { clouds } from '../mail-clouds/clouds.ts';
import { gmail } from './gmail.ts';
import { mailCloud } from './mail-cloud.ts';
import { mailServer } from './mail-server.ts';
import { meta } from './meta.ts';
import { microsoft365 } from './microsoft365.ts';
import type { Failing } from './world.ts';

/** Every provider whose outside can be made to fail. */
export const worlds: Readonly<Record<string, Failing>> = {
  imap: { needs: 'dovecot', open: () => mailServer('imap', { after: 'leave' }) },
  pop3: { needs: 'dovecot', open: () => mailServer('pop3', { after: 'delete' }) },
  gmail: { open: gmail },
  microsoft365: { open: microsoft365 },
  whatsapp: { open: () => meta('whatsapp') },
  messenger: { open: () => meta('messenger') },
  ...Object.fromEntries(clouds.map((cloud) => [cloud.name, { open: () => mailCloud(cloud) }])),
};
