import { TICKET_UPDATES, filledValue, updateMessage } from '../domain/ticket-updates.ts';
import type { ChatCapability } from '../providers/contract.ts';
import { checkedTemplate } from './chat-draft.ts';
import type { Tx } from './connection.ts';
import type { ChannelRow } from './queries/channels.ts';

/** As a customer's ticket would say it. */
const SAMPLE = {
  'ticket.number': '1042',
  'ticket.subject': 'Where is my order?',
  'ticket.status': 'resolved',
  'customer.name': 'Ada Lovelace',
};

/**
 * Why a customer whose window has ended wouldn't be told of something, though the settings say so: a template that the
 * account doesn't have in that language, that may not be sent, or that wants other values. Nothing before its templates
 * were read for the first time.
 */
export async function updateWarnings(
  tx: Tx,
  { id, settings, templates_due_at: due }: ChannelRow,
  chat: ChatCapability<unknown> | undefined,
): Promise<string[]> {
  if (!chat || due === null) return [];
  const warnings: string[] = [];
  for (const update of TICKET_UPDATES) {
    const message = updateMessage(settings, update);
    if (!message || message.template === null) continue;
    const { template: name, language, values } = message;
    const filled = Object.fromEntries(
      Object.entries(values).map(([place, value]) => [place, filledValue(value, SAMPLE, {})]),
    );
    const chosen = await checkedTemplate(
      { tx, channelId: id, chat },
      { name, ...(language !== undefined && { language }), values: filled },
    );
    if ('code' in chosen)
      warnings.push(`After the window nobody is told of ${update}: ${chosen.detail}`);
  }
  return warnings;
}
