import { z } from 'zod';
import { TicketPriority } from '../ticket.ts';
import { unknownPlaceholders } from './template.ts';
import { BadPattern, compilePattern, PATTERN_LIMITS } from './pattern.ts';

// What an admin sets for one channel: whose mail is taken, what becomes of it, and whether the sender is told.

const text = (most: number) => z.string().trim().min(1).max(most);
const HeaderName = text(100).regex(/^[\x21-\x39\x3b-\x7e]+$/, 'wants a header’s name, as List-Id');
const Tag = text(100);

/** One text or several, of which any will do. */
const Texts = z.union([text(500), z.array(text(500)).min(1).max(100)]);

const PatternText = text(PATTERN_LIMITS.characters)
  .superRefine((source, context) => {
    try {
      compilePattern(source);
    } catch (error) {
      if (!(error instanceof BadPattern)) throw error;
      context.addIssue({ code: 'custom', message: `The pattern ${error.message}.` });
    }
  })
  .meta({
    description:
      'RE2 syntax: linear time, no look-around or back-references. Ignores case; `^` and `$` are ends of lines.',
    examples: ['order (\\d+)'],
  });

const AddressText = text(320).regex(
  /^[^\s<>@]+@[^\s<>@]+$/,
  'wants an address, as ada@example.com',
);
const SenderText = text(320).regex(
  /^([^\s<>@]+@[^\s<>@]+|\+?\d{5,32})$/,
  'wants an address, as ada@example.com, or of a chat a number, as +491701234567',
);
/** `example.com`, `*.example.com` or `*`; see `isOfDomain`. */
export const DomainEntry = text(253)
  .regex(
    /^(\*|@?(\*\.)?[^\s@*]+)$/,
    'wants a domain, as example.com, or *.example.com for its subdomains',
  )
  .meta({
    description:
      '`example.com` is that domain alone, `*.example.com` its subdomains, `*` everyone.',
  });

const HeaderTest = z
  .strictObject({ name: HeaderName, is: Texts.optional(), contains: Texts.optional() })
  .meta({
    id: 'HeaderTest',
    description: 'Without `is` and `contains` it is enough that the header is there.',
    examples: [{ name: 'X-Spam-Flag', is: 'yes' }],
  });

const SenderList = z.strictObject({
  senders: z.array(SenderText).max(1000).optional(),
  domains: z.array(DomainEntry).max(1000).optional(),
  headers: z.array(HeaderTest).max(50).optional(),
});
export type SenderList = z.infer<typeof SenderList>;

export const ConditionField = z
  .enum([
    'sender',
    'domain',
    'recipient',
    'header',
    'subject',
    'body',
    'type',
    'attachment',
    'size',
  ])
  .meta({
    description:
      'Of a chat `sender` is a number or page-scoped id, `subject` its first line, and `type` is `text`, `image`, `location` …',
  });
export type ConditionField = z.infer<typeof ConditionField>;

const OPERATORS = ['is', 'contains', 'matches', 'exists', 'over', 'under'] as const;
export type Operator = (typeof OPERATORS)[number];

export const Condition = z
  .strictObject({
    field: ConditionField,
    name: HeaderName.optional().meta({ description: 'Which header; with `field: header` alone.' }),
    is: Texts.optional(),
    contains: Texts.optional(),
    matches: PatternText.optional(),
    exists: z.boolean().optional(),
    over: z.int().min(0).optional().meta({ description: 'Bytes; with `field: size`.' }),
    under: z.int().min(1).optional().meta({ description: 'Bytes; with `field: size`.' }),
    not: z.boolean().optional().meta({ description: 'True: holds where it otherwise would not.' }),
  })
  .superRefine((condition, context) => {
    const problem = (path: string[], message: string) =>
      context.addIssue({ code: 'custom', path, message });
    const given = OPERATORS.filter((operator) => condition[operator] !== undefined);
    const allowed: readonly Operator[] =
      condition.field === 'size' ? ['over', 'under'] : ['is', 'contains', 'matches', 'exists'];
    if (given.length !== 1) problem([], `A condition wants exactly one of ${allowed.join(', ')}.`);
    for (const operator of given)
      if (!allowed.includes(operator))
        problem([operator], `"${condition.field}" takes ${allowed.join(', ')}.`);
    if ((condition.field === 'header') !== (condition.name !== undefined))
      problem(['name'], '`name` says which header, with `field: header` and nowhere else.');
  })
  .meta({
    id: 'RuleCondition',
    examples: [
      { field: 'subject', contains: ['invoice', 'Rechnung'] },
      { field: 'header', name: 'X-Monitor', exists: true },
    ],
  });
export type Condition = z.infer<typeof Condition>;

const Conditions = z.array(Condition).min(1).max(50);

const RequesterSource = z
  .union([
    z.strictObject({ header: HeaderName }),
    z.strictObject({ pattern: PatternText, in: z.enum(['subject', 'body']).default('body') }),
  ])
  .superRefine((source, context) => {
    if ('pattern' in source && hasNoGroup(source.pattern))
      context.addIssue({
        code: 'custom',
        path: ['pattern'],
        message: 'The pattern wants a group in brackets around the address.',
      });
  })
  .meta({
    id: 'RequesterSource',
    description:
      'Who asks, where a machine wrote: an address from a header, or the first group of a pattern (or groups named `address` and `name`).',
    examples: [{ header: 'Reply-To' }, { pattern: '^E-mail: (\\S+)', in: 'body' }],
  });

const Grouping = z
  .strictObject({
    pattern: PatternText.optional().meta({
      description:
        'Its first group, or all it matches, is the key. Left out: all the rule’s notices.',
    }),
    in: z.enum(['subject', 'body']).default('subject'),
    within_hours: z.number().min(0.1).max(720).default(24),
  })
  .meta({
    id: 'NoticeGrouping',
    description:
      'Notices with the same key go to one ticket, as long as each comes within so many hours of the one before and the ticket is neither resolved nor closed. For mail that names no earlier one.',
  });

const Actions = z
  .strictObject({
    priority: TicketPriority.optional(),
    tags: z.array(Tag).max(50).optional(),
    team: text(200).optional().meta({ description: 'A team’s id or name; kept as its id.' }),
    assignee: text(320)
      .optional()
      .meta({ description: 'An agent’s id or address; kept as its id.' }),
    type: text(100).optional().meta({ description: 'Kept in the ticket’s `custom_fields.type`.' }),
    requester: RequesterSource.optional(),
    group_by: Grouping.optional(),
    spam: z.boolean().optional().meta({ description: 'A new ticket is born as `spam`.' }),
    skip: z
      .boolean()
      .optional()
      .meta({ description: 'Kept in the journal, and neither message nor ticket.' }),
  })
  .meta({ id: 'RuleActions' });
export type Actions = z.infer<typeof Actions>;

export const Rule = z
  .strictObject({
    name: text(100),
    when: z
      .strictObject({ all: Conditions.optional(), any: Conditions.optional() })
      .refine(({ all, any }) => all !== undefined || any !== undefined, {
        error: 'wants `all`, `any`, or both',
      }),
    // oxlint-disable-next-line unicorn/no-thenable -- a schema, which nobody awaits
    then: Actions,
    stop: z
      .boolean()
      .optional()
      .meta({ description: 'Where it matches, later rules are passed over.' }),
  })
  .meta({ id: 'ChannelRule' });
export type Rule = z.infer<typeof Rule>;

const Template = (most: number) =>
  text(most).superRefine((template, context) => {
    for (const name of unknownPlaceholders(template))
      context.addIssue({ code: 'custom', message: `There is no placeholder {{${name}}}.` });
  });

export const Autoresponder = z
  .strictObject({
    enabled: z.boolean().default(true),
    subject: Template(300).optional().meta({
      description: 'Default: `Re:` and the mail’s own. A chat has none.',
    }),
    text: Template(20_000).optional(),
    html: Template(100_000).optional(),
    hours: z
      .number()
      .min(1)
      .max(8760)
      .default(24)
      .meta({ description: 'One sender is answered once in so many hours.' }),
  })
  .refine(({ enabled, text, html }) => !enabled || text !== undefined || html !== undefined, {
    path: ['text'],
    error: 'wants a text, or html',
  })
  .meta({
    id: 'Autoresponder',
    description:
      'Tells whoever begins a ticket that it has come; on a chat in free text. Placeholders: {{ticket.number}} {{ticket.subject}} {{sender.name}} {{sender.address}} {{channel.name}}.',
  });
export type Autoresponder = z.infer<typeof Autoresponder>;

export const ChannelRules = z
  .strictObject({
    aliases: z
      .array(AddressText)
      .max(100)
      .optional()
      .meta({ description: 'Further addresses of this channel, free in the whole installation.' }),
    allowlist: SenderList.optional().meta({
      id: 'Allowlist',
      description: 'Where it names anyone, only their mail is taken.',
    }),
    blocklist: SenderList.optional().meta({
      id: 'Blocklist',
      description: 'Whose mail is not taken; a sender on the allowlist outweighs a domain here.',
    }),
    subject_keywords: z.array(text(200)).max(200).optional().meta({
      description: 'Where given, only mail whose subject has one of them begins a ticket.',
    }),
    rules: z.array(Rule).max(100).optional(),
    autoresponder: Autoresponder.optional(),
  })
  .superRefine(({ rules = [] }, context) => {
    const names = rules.map(({ name }) => name.toLowerCase());
    for (const [place, name] of names.entries())
      if (names.indexOf(name) < place)
        context.addIssue({
          code: 'custom',
          path: ['rules', place, 'name'],
          message: 'Another rule of this channel has this name.',
        });
    const steps = patternsOf(rules).reduce((sum, source) => sum + sizeOf(source), 0);
    if (steps > PATTERN_LIMITS.programs)
      context.addIssue({
        code: 'custom',
        path: ['rules'],
        message: `The patterns of all rules come to ${steps} steps, more than the ${PATTERN_LIMITS.programs} allowed; simplify or leave out some.`,
      });
  })
  .meta({ id: 'ChannelRules' });
export type ChannelRules = z.infer<typeof ChannelRules>;

function patternsOf(rules: readonly Rule[]): string[] {
  return rules.flatMap(({ when, then }) => [
    ...[...(when.all ?? []), ...(when.any ?? [])].flatMap(({ matches }) => matches ?? []),
    ...(then.requester && 'pattern' in then.requester ? [then.requester.pattern] : []),
    ...(then.group_by?.pattern === undefined ? [] : [then.group_by.pattern]),
  ]);
}

/** A pattern that can't be compiled has been told of where it stands. */
function compiled(source: string) {
  try {
    return compilePattern(source);
  } catch (error) {
    if (error instanceof BadPattern) return null;
    throw error;
  }
}

function sizeOf(source: string): number {
  return compiled(source)?.size ?? 0;
}

function hasNoGroup(source: string): boolean {
  return compiled(source)?.groups === 0;
}
