import { z } from 'zod';
import {
  isWindowOpen,
  usableTags,
  type ChatTerms,
  type Conversation,
  type UsableTag,
} from './chat-answer.ts';

const Interactive = z.enum(['buttons', 'list', 'quick_replies']);

/** What an answer on a chat may hold. */
export const ChatLimits = z
  .object({
    text: z.int().meta({ description: 'Characters.' }),
    attachments: z.int(),
    interactive: z.array(Interactive),
  })
  .meta({ id: 'ChatLimits' });

/** How things stand with one person on one chat channel: what may be said now, and until when. */
export const ConversationState = z
  .object({
    channel_id: z.string(),
    address: z.string().meta({ description: 'Number in E.164, or page-scoped id.' }),
    window_ends_at: z.iso
      .datetime()
      .nullable()
      .meta({ description: 'Until then free text may be sent; null: they have never written.' }),
    window_open: z.boolean(),
    templates_only: z.boolean().meta({
      description: 'The window is closed: a template goes, or a tag where there is one.',
    }),
    tags: z.array(z.object({ name: z.string(), ends_at: z.iso.datetime() })).meta({
      description: 'Under which an answer goes after the window, and until when; none before.',
      examples: [[{ name: 'HUMAN_AGENT', ends_at: '2027-03-08T09:00:00.000Z' }]],
    }),
    opted_out: z.boolean().meta({ description: 'They asked for silence: nothing goes.' }),
    has_templates: z.boolean(),
    limits: ChatLimits,
  })
  .meta({ id: 'ConversationState' });
export type ConversationState = z.infer<typeof ConversationState>;

export function conversationState(
  channelId: string,
  conversation: Conversation,
  terms: ChatTerms,
  now: Date,
): ConversationState {
  const { address, windowEndsAt, optedOutAt } = conversation;
  const isOpen = isWindowOpen(conversation, now);
  return {
    channel_id: channelId,
    address,
    window_ends_at: windowEndsAt?.toISOString() ?? null,
    window_open: isOpen,
    templates_only: !isOpen,
    tags: isOpen ? [] : usableTags(terms, conversation, now).map(shownTag),
    opted_out: optedOutAt !== null,
    has_templates: terms.hasTemplates,
    limits: { ...terms.limits, interactive: [...terms.limits.interactive] },
  };
}

function shownTag({ name, endsAt }: UsableTag): ConversationState['tags'][number] {
  return { name, ends_at: endsAt.toISOString() };
}
