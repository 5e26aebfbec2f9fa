import { z } from 'zod';
import type { ChannelRow } from '../../db/queries/channels.ts';
import { ChatLimits } from '../../domain/conversation-state.ts';
import type { ChannelProvider } from '../../providers/contract.ts';
import { findProvider } from '../../providers/registry.ts';
import { mergeSecrets } from '../../security/settings-secrets.ts';
import { hasDoor } from './provider.ts';

const ChatCapabilities = z
  .object({
    window_seconds: z
      .int()
      .nullable()
      .meta({ description: 'After the customer’s latest message free text may be sent so long.' }),
    templates: z.boolean().meta({ description: 'Approved templates may be sent at any time.' }),
    tags: z.record(z.string(), z.int()).meta({
      description: 'Under these an answer may be sent after the window, for so many seconds.',
      examples: [{ HUMAN_AGENT: 604_800 }],
    }),
    first_contact: z.enum(['phone']).nullable().meta({
      description:
        'Who never wrote can be written to at an address of this kind, with a template; null: nobody.',
    }),
    receipts: z.boolean().meta({ description: 'The vendor reports what arrives.' }),
    read_marks: z.boolean().meta({ description: 'The customer is shown what was read.' }),
    address_check: z
      .boolean()
      .meta({ description: 'POST /v1/channels/{id}/addresses:check asks the vendor.' }),
    limits: ChatLimits,
  })
  .meta({ id: 'ChatCapabilities' });

/** What the channel's provider declares that it can do. */
export const Capabilities = z
  .object({
    receives: z.array(z.enum(['mailbox', 'door'])),
    sends: z.boolean(),
    chat: ChatCapabilities.nullable().meta({ description: 'Null where it is mail.' }),
  })
  .meta({ id: 'ChannelCapabilities' });

export function capabilitiesOf(
  row: Pick<ChannelRow, 'provider' | 'settings'>,
  secrets: Record<string, unknown>,
): z.output<typeof Capabilities> {
  const provider = findProvider(row.provider);
  if (!provider) return { receives: [], sends: false, chat: null };
  return {
    receives: [
      ...(provider.mailbox ? (['mailbox'] as const) : []),
      ...(hasDoor(provider) ? (['door'] as const) : []),
    ],
    sends: provider.sender !== undefined,
    chat: chatOf(provider, mergeSecrets(row.settings, secrets)),
  };
}

function chatOf({ chat, manifest }: ChannelProvider, stored: unknown) {
  if (!chat) return null;
  const settings = manifest.settings.safeParse(stored);
  const { limits, tags = {}, firstContact = null, receipts } = chat;
  return {
    window_seconds: settings.success ? chat.windowMs(settings.data) / 1000 : null,
    templates: chat.templates !== undefined,
    tags: Object.fromEntries(Object.entries(tags).map(([name, ms]) => [name, ms / 1000])),
    first_contact: firstContact,
    receipts,
    read_marks: chat.markRead !== undefined,
    address_check: chat.checkAddress !== undefined,
    limits: { ...limits, interactive: [...limits.interactive] },
  };
}
