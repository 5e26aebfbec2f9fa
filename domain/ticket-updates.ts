import { z } from 'zod';
import type { TicketStatus } from './ticket.ts';

// What a customer is told of a ticket without anybody's writing: as text while the conversation's window is open, as a
// template that the vendor has approved after it.

export const TICKET_UPDATES = [
  'ticket.created',
  'ticket.assigned',
  'ticket.reopened',
  'ticket.resolved',
  'ticket.closed',
] as const;
export type TicketUpdate = (typeof TICKET_UPDATES)[number];

const Text = z.string().trim().min(1).max(4096);

export const UpdateMessage = z.union([
  z.string().trim().min(1).max(512).meta({ description: 'A template’s name, without values.' }),
  z.strictObject({
    text: Text.optional().meta({
      description:
        'Inside the window; default the template’s own text. Places: `{{ticket.number}}`, `{{ticket.subject}}`, `{{ticket.status}}`, `{{customer.name}}`; `{{customer.name|there}}` says what stands where it isn’t known.',
    }),
    template: z.string().trim().min(1).max(512).optional().meta({
      description: 'After the window; without one nothing is sent then.',
    }),
    language: z.string().trim().min(1).max(20).optional(),
    values: z
      .record(z.string().max(100), z.string().max(1024))
      .optional()
      .meta({ description: 'By the template’s place; with the same places as `text`.' }),
  }),
]);
export type UpdateMessage = z.infer<typeof UpdateMessage>;

/** Settings that every chat channel has; a provider's schema takes them in. */
export const ticketUpdateSettings = {
  notifications_enabled: z.boolean().default(false).meta({
    description:
      'Tells the customer when the ticket is resolved or reopened, and what else is set below.',
  }),
  template_messages: z
    .partialRecord(z.enum(TICKET_UPDATES), UpdateMessage.nullable())
    .default({})
    .meta({ description: 'By event: what is told; null tells nothing.' }),
};

const Settings = z.object(ticketUpdateSettings);

/** What the channel's stored settings say of an update; null where the customer isn't told. */
export function updateMessage(
  settings: unknown,
  update: TicketUpdate,
): { text: string | null; template: string | null; language?: string; values: Values } | null {
  const parsed = Settings.safeParse(settings);
  if (!parsed.success || !parsed.data.notifications_enabled) return null;
  const chosen = parsed.data.template_messages[update];
  if (chosen === null) return null;
  const { text, template, language, values } =
    typeof chosen === 'string' ? { template: chosen } : (chosen ?? {});
  if (text === undefined && template === undefined) {
    const usual = USUAL_TEXT[update];
    return usual === undefined ? null : { text: usual, template: null, values: {} };
  }
  return {
    text: text ?? null,
    template: template ?? null,
    ...(language === undefined ? {} : { language }),
    values: values ?? {},
  };
}

type Values = Readonly<Record<string, string>>;

const USUAL_TEXT: Partial<Record<TicketUpdate, string>> = {
  'ticket.reopened': 'Your request {{ticket.number}} is open again.',
  'ticket.resolved':
    'Your request {{ticket.number}} has been resolved. Answer here if something is still open.',
};

/** What may be told of a ticket, by its place. */
export const UPDATE_FACTS = [
  'ticket.number',
  'ticket.subject',
  'ticket.status',
  'customer.name',
] as const;
export type UpdateFacts = Readonly<Record<(typeof UPDATE_FACTS)[number], string>>;

/**
 * Puts facts in their places. One that isn't known (''): what its place names after a bar, `{{customer.name|there}}`,
 * else `otherwise`.
 */
export function filledIn(
  text: string,
  facts: UpdateFacts,
  otherwise: Partial<UpdateFacts>,
): string {
  return text.replaceAll(PLACE, (_, inside: string) => {
    const { fact, instead } = placeIn(inside);
    if (fact === null) return '';
    return facts[fact] || instead || (otherwise[fact] ?? '');
  });
}

/** The same for a value of a template, which vendors take in one line. */
export function filledValue(
  value: string,
  facts: UpdateFacts,
  otherwise: Partial<UpdateFacts>,
): string {
  return filledIn(value, facts, otherwise).replaceAll(/\s+/g, ' ').trim();
}

const PLACE = /\{\{([^{}]*)\}\}/g;

function placeIn(inside: string) {
  const [name = '', ...rest] = inside.split('|');
  const fact = UPDATE_FACTS.find((one) => one === name.trim()) ?? null;
  return { fact, instead: rest.join('|').trim() };
}

/** What a change of a ticket is to its customer; null where it is nothing. */
export function updateOf(
  before: { readonly status: TicketStatus; readonly assignee_id: string | null },
  after: { readonly status: TicketStatus; readonly assignee_id: string | null },
): TicketUpdate | null {
  if (before.status !== after.status) {
    if (after.status === 'closed') return 'ticket.closed';
    if (after.status === 'resolved') return 'ticket.resolved';
    const hadEnded = before.status === 'resolved' || before.status === 'closed';
    if (hadEnded && after.status !== 'spam') return 'ticket.reopened';
  }
  const isNew = after.assignee_id !== null && after.assignee_id !== before.assignee_id;
  return isNew ? 'ticket.assigned' : null;
}
