import { htmlToPlainText } from '../domain/mail/html.ts';
import { autoreplyTexts } from '../domain/rules/autoresponder.ts';
import type { Autoresponder } from '../domain/rules/schema.ts';
import { updateMessage } from '../domain/ticket-updates.ts';
import type { ChannelProvider } from './contract.ts';
import { wayOut } from './way-out.ts';

/** What an admin should know of rules that the settings or the channel leave without effect. */
export function rulesWarnings(
  provider: ChannelProvider,
  settings: unknown,
  rules: unknown,
): string[] {
  const { autoresponder } = (rules ?? {}) as { autoresponder?: Autoresponder }; // checked when they were saved
  if (!autoresponder?.enabled) return [];
  const idle = whyAnswersNobody(provider, settings, autoresponder);
  return idle === null ? [] : [idle];
}

/** Why an autoresponder can answer nobody on this channel, in plain words; null where it can. */
export function whyAnswersNobody(
  provider: ChannelProvider | undefined,
  settings: unknown,
  autoresponder: Autoresponder,
): string | null {
  const reason = provider ? obstacle(provider, settings, autoresponder) : NOTHING_TO_SEND_BY;
  return reason && `The autoresponder answers nobody: ${reason}`;
}

const NOTHING_TO_SEND_BY = 'the settings of this channel name nothing to send by.';

function obstacle(
  provider: ChannelProvider,
  settings: unknown,
  autoresponder: Autoresponder,
): string | null {
  const way = wayOut(provider, settings);
  if (way !== 'open') return way === 'none' ? NOTHING_TO_SEND_BY : way.off;
  if (!provider.chat) return null;
  if (updateMessage(settings, 'ticket.created'))
    return 'the settings tell that a request has come in (template_messages), and that goes instead.';
  const { text: most } = provider.chat.limits;
  const length = shortest(autoresponder);
  return length > most
    ? `its text has ${length} characters without what is filled in; this channel takes ${most}.`
    : null;
}

/** Characters of its text with nothing filled in. */
function shortest(autoresponder: Autoresponder): number {
  const { text, html } = autoreplyTexts(autoresponder, {
    'ticket.number': '',
    'ticket.subject': '',
    'sender.name': '',
    'sender.address': '',
    'channel.name': '',
  });
  return Array.from((text ?? htmlToPlainText(html ?? '')).trim()).length;
}
