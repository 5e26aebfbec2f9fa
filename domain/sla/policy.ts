import { z } from 'zod';
import { TicketPriority } from '../ticket.ts';

const YEAR_OF_MINUTES = 525_600;

const minutes = z
  .number()
  .positive({ error: 'a target is more than 0 minutes; leave it out to set none' })
  .max(YEAR_OF_MINUTES, { error: `a target is at most ${YEAR_OF_MINUTES} minutes (a year)` });

/** Business minutes; a metric that is left out has no target. */
export const SlaTargets = z
  .strictObject({
    first_response_minutes: minutes.optional(),
    next_response_minutes: minutes.optional(),
    resolution_minutes: minutes.optional(),
  })
  .meta({ id: 'SlaTargets' });
export type SlaTargets = z.infer<typeof SlaTargets>;

const ids = z.array(z.string().trim().min(1)).max(200);

const conditions = z.strictObject({
  /** Provider names or channel ids. */
  channels: ids.optional(),
  priorities: z.array(TicketPriority).optional(),
  /** One of them is enough. */
  tags: ids.optional(),
});

export const EscalationAction = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('raise_priority'), to: TicketPriority.optional() }),
    z.strictObject({ type: z.literal('assign_team'), team_id: z.string().min(1) }),
    z.strictObject({ type: z.literal('notify'), to: ids.min(1) }),
    z.strictObject({ type: z.literal('emit_event') }),
  ])
  .meta({ id: 'SlaEscalationAction' });
export type EscalationAction = z.infer<typeof EscalationAction>;

const escalation = z.strictObject({
  level: z.int().min(1).max(20),
  /** Whose breach is counted from; `any` is whichever reaches the level first. */
  metric: z.enum(['first_response', 'next_response', 'resolution', 'any']).default('any'),
  /** Business minutes after that breach. */
  after_minutes: z.number().min(0).max(YEAR_OF_MINUTES),
  actions: z.array(EscalationAction).min(1).max(20),
});

const percent = z.int().min(1).max(99, { error: 'a warning comes at 1 to 99 % of the target' });

const shape = {
  name: z.string().trim().min(1).max(200),
  position: z.int().min(0).default(0),
  is_active: z.boolean().default(true),
  conditions: conditions.default({}),
  targets: z
    .strictObject({
      low: SlaTargets.optional(),
      normal: SlaTargets.optional(),
      high: SlaTargets.optional(),
      urgent: SlaTargets.optional(),
    })
    .refine((byPriority) => Object.values(byPriority).some((t) => t && Object.keys(t).length > 0), {
      error: 'the policy sets no target; give at least one priority a target',
    }),
  calendar_id: z.string().min(1).nullable().default(null),
  warn_at_percent: z
    .array(percent)
    .max(10)
    .refine(allDifferent, { error: 'a warning percentage is listed twice' })
    .default([80]),
  escalations: z
    .array(escalation)
    .max(20)
    .refine((list) => allDifferent(list.map(({ level }) => level)), {
      error: 'an escalation level is listed twice; give each step a level of its own',
    })
    .default([]),
};

/** What a caller writes to make or replace a policy. */
export const SlaPolicyInput = z.strictObject(shape).meta({ id: 'SlaPolicyInput' });
export type SlaPolicyInput = z.infer<typeof SlaPolicyInput>;

/**
 * What is promised to which tickets: targets by priority in business minutes of the calendar
 * (`null`: round the clock), warnings before a breach, and escalation levels after it.
 */
export const SlaPolicy = z.strictObject({ id: z.string().min(1), ...shape }).meta({
  id: 'SlaPolicy',
});
export type SlaPolicy = z.infer<typeof SlaPolicy>;

/** The facts of a ticket that a policy's conditions look at. */
export interface PolicyFacts {
  provider: string;
  channel_id: string;
  priority: TicketPriority;
  tags: readonly string[];
}

/**
 * The first active policy by position (then by id) whose conditions all hold, or null.
 * A condition that is left out or empty holds always.
 */
export function choosePolicy(policies: readonly SlaPolicy[], facts: PolicyFacts): SlaPolicy | null {
  const inOrder = policies
    .filter(({ is_active }) => is_active)
    .toSorted((a, b) => a.position - b.position || (a.id < b.id ? -1 : 1));
  return inOrder.find((policy) => matches(policy, facts)) ?? null;
}

function matches({ conditions }: SlaPolicy, facts: PolicyFacts): boolean {
  return (
    meets(conditions.channels, [facts.provider, facts.channel_id]) &&
    meets(conditions.priorities, [facts.priority]) &&
    meets(conditions.tags, facts.tags)
  );
}

function meets(wanted: readonly string[] | undefined, found: readonly string[]): boolean {
  return !wanted || wanted.length === 0 || wanted.some((one) => found.includes(one));
}

/**
 * What an escalation does. The ticket's state names only policy and level, so that addresses to
 * notify stay out of workflow history; whoever carries the level out looks here.
 * Empty where the policy no longer has the level.
 */
export function escalationActions(policy: SlaPolicy, level: number): EscalationAction[] {
  return policy.escalations.find((step) => step.level === level)?.actions ?? [];
}

/** The priority after `raise_priority`: the one named, else one step up; never lower than before. */
export function raisedPriority(current: TicketPriority, to?: TicketPriority): TicketPriority {
  const scale = TicketPriority.options;
  const wanted = to ? scale.indexOf(to) : scale.indexOf(current) + 1;
  const place = Math.max(scale.indexOf(current), Math.min(wanted, scale.length - 1));
  return scale[place]!;
}

function allDifferent(values: readonly number[]): boolean {
  return new Set(values).size === values.length;
}
