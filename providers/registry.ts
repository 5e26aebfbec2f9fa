import type { ChannelProvider } from './contract.ts';
import { gmail } from './gmail/provider.ts';
import { imap } from './imap/provider.ts';
import { mailgun } from './mailgun/provider.ts';
import { messenger } from './messenger/provider.ts';
import { microsoft365 } from './microsoft365/provider.ts';
import { mime } from './mime/provider.ts';
import { pop3 } from './pop3/provider.ts';
import { postmark } from './postmark/provider.ts';
import { sendgrid } from './sendgrid/provider.ts';
import { ses } from './ses/provider.ts';
import { smtp } from './smtp/provider.ts';
import { whatsapp } from './whatsapp/provider.ts';

/** Every provider there is; adding one is one folder and one line here. */
export const providers: readonly ChannelProvider[] = [
  registered(imap),
  registered(gmail),
  registered(pop3),
  registered(smtp),
  registered(mime),
  registered(microsoft365),
  registered(mailgun),
  registered(postmark),
  registered(sendgrid),
  registered(ses),
  registered(whatsapp),
  registered(messenger),
];

const byName = new Map(
  providers.flatMap((provider) =>
    [provider.manifest.name, ...(provider.manifest.aliases ?? [])].map(
      (name) => [name, provider] as const,
    ),
  ),
);

/** The provider of this name or alias. */
export function findProvider(nameOrAlias: string): ChannelProvider | undefined {
  return byName.get(nameOrAlias);
}

/** The core knows settings as `unknown` and hands each provider only what its own schema has parsed. */
function registered<Settings>(provider: ChannelProvider<Settings>): ChannelProvider {
  return provider as unknown as ChannelProvider;
}
