import { Readable } from 'node:stream';
import { z } from 'zod';
import { readBlob } from '../../db/queries/blobs.ts';
import { openChannel, type ChannelRow } from '../../db/queries/channels.ts';
import { sourceOf } from '../../db/queries/staged.ts';
import type { TenantId } from '../../domain/ids.ts';
import type { ChatMessage } from '../../domain/chat.ts';
import { asRulesSee, chatAsParsed, chatSubject, NO_FILES } from '../../domain/chat-source.ts';
import { parseMail, type ParsedMail } from '../../domain/mail/parse.ts';
import { asRawMail, PushedMail } from '../../domain/mail/pushed-mail.ts';
import { mailContext } from '../../domain/mail/source-notes.ts';
import { MailAddress } from '../../domain/message.ts';
import { autoreplyRecipient, whyNoAutoreply } from '../../domain/rules/autoresponder.ts';
import {
  compileRules,
  evaluate,
  explain,
  type CompiledRules,
} from '../../domain/rules/evaluate.ts';
import { ruleFacts } from '../../domain/rules/facts.ts';
import { ChannelRules, Condition } from '../../domain/rules/schema.ts';
import { TicketPriority } from '../../domain/ticket.ts';
import { whyAnswersNobody } from '../../providers/autoresponder.ts';
import { isChat, readChat, type ChatProvider } from '../../providers/chat-provider.ts';
import { findProvider } from '../../providers/registry.ts';
import { checkRules } from '../channels/rules.ts';
import type { ApiDeps } from '../deps.ts';
import { invalid, notFound } from '../problem.ts';
import { route, type AnyRoute } from '../route.ts';
import { channelOr404 } from './channels.ts';

/** Mail to be tried, in base64 with its wrapping. */
const MAX_BYTES = 40 * 1_048_576;

const RulesTest = z
  .strictObject({
    message_id: z.string().optional().meta({ description: 'A message of this channel.' }),
    source_id: z.string().optional().meta({ description: 'A source, such as one of the journal.' }),
    source: z.string().optional().meta({
      description:
        'A raw mail (RFC 5322), as text or base64; of a chat the message as its vendor pushes it.',
    }),
    fields: PushedMail.optional(),
    rules: ChannelRules.optional().meta({
      description: 'Rules that are not saved yet; left out: the channel’s own.',
    }),
  })
  .refine(
    (given) =>
      [given.message_id, given.source_id, given.source, given.fields].filter(
        (one) => one !== undefined,
      ).length === 1,
    { error: 'Give one of message_id, source_id, source, fields.', path: ['message_id'] },
  )
  .meta({ id: 'RulesTest' });

const FilteredBy = z.object({
  by: z.enum(['allowlist', 'blocklist', 'subject_keywords', 'rule', 'door']),
  rule: z.string().optional(),
  detail: z.string(),
});

const RulesTestResult = z
  .object({
    outcome: z.enum(['ticket', 'answers_only', 'filtered']).meta({
      description:
        '`answers_only`: it is taken as an answer on a ticket, but begins none (`filtered` says why).',
    }),
    filtered: FilteredBy.nullable(),
    actions: z.object({
      priority: TicketPriority.nullable(),
      tags: z.array(z.string()),
      team_id: z.string().nullable(),
      assignee_id: z.string().nullable(),
      type: z.string().nullable(),
      requester: MailAddress.nullable(),
      spam: z.boolean(),
      group: z
        .object({ rule: z.string(), key: z.string(), within_hours: z.number() })
        .nullable()
        .meta({ description: 'Mail with the same key goes to the same ticket.' }),
    }),
    rules: z.array(
      z.object({
        name: z.string(),
        matched: z.boolean(),
        passed_over: z.boolean().meta({ description: 'A rule before it said `stop`.' }),
        conditions: z.array(
          z.object({
            of: z.enum(['all', 'any']),
            condition: Condition,
            holds: z.boolean(),
            found: z.string().nullable().meta({ description: 'What it was found in, shortened.' }),
          }),
        ),
      }),
    ),
    autoresponder: z.object({
      answers: z.boolean(),
      to: MailAddress.nullable(),
      reason: z.string().meta({ description: 'Why not, or what else must hold.' }),
    }),
  })
  .meta({ id: 'RulesTestResult' });

export const channelRulesRoutes: readonly AnyRoute[] = [
  route({
    method: 'post',
    path: '/v1/channels/{id}/rules:test',
    summary: 'Show what rules would do with a mail',
    description: 'Changes nothing: no message, no ticket, no answer.',
    tags: ['Channels'],
    scope: 'channels:admin',
    params: z.object({ id: z.string() }),
    body: RulesTest,
    maxBytes: MAX_BYTES,
    status: 200,
    response: RulesTestResult,
    handler: async ({ deps, tenantId, params, body }) => {
      const channel = await channelOr404(deps, tenantId, params.id);
      const rules = compileRules(
        body.rules ? await checkRules(deps, tenantId, body.rules) : channel.rules,
      );
      const { mail, size } = await mailOf(deps, tenantId, channel, body);
      const { provider, settings } = openChannel(channel, deps.keys);
      const found = findProvider(provider);
      const { autoresponder } = rules;
      const idle = autoresponder && whyAnswersNobody(found, settings, autoresponder);
      return resultOf(rules, mail, size, idle, isChat(found));
    },
  }),
];

function resultOf(
  rules: CompiledRules,
  mail: ParsedMail,
  size: number,
  idle: string | null,
  ofChat: boolean,
): z.output<typeof RulesTestResult> {
  const facts = ruleFacts(mail, size);
  const verdict = evaluate(rules, facts);
  const { filtered, lacksKeyword, group } = verdict;
  return {
    outcome: filtered ? 'filtered' : lacksKeyword ? 'answers_only' : 'ticket',
    filtered: filtered ?? lacksKeyword,
    actions: {
      priority: verdict.priority,
      tags: [...verdict.tags],
      team_id: verdict.team,
      assignee_id: verdict.assignee,
      type: verdict.type,
      requester: verdict.requester,
      spam: verdict.spam,
      group: group && { rule: group.rule, key: group.key, within_hours: group.hours },
    },
    rules: explain(rules, facts).map(({ conditions, ...rule }) => ({
      ...rule,
      conditions: conditions.map((condition) => ({ ...condition })),
    })),
    autoresponder: autoresponse(rules, mail, verdict, idle, ofChat),
  };
}

function autoresponse(
  { autoresponder }: CompiledRules,
  mail: ParsedMail,
  verdict: ReturnType<typeof evaluate>,
  idle: string | null,
  ofChat: boolean,
): z.output<typeof RulesTestResult>['autoresponder'] {
  const no = (reason: string) => ({ answers: false, to: null, reason });
  if (!autoresponder) return no('The channel has no autoresponder that is enabled.');
  if (idle !== null) return no(idle);
  if (verdict.filtered ?? verdict.lacksKeyword) return no('It would begin no ticket.');
  // As if it came now: a stored mail is old, which is not what is asked.
  const now = new Date(mail.message.timestamp);
  const reason = whyNoAutoreply({ mail, verdict, isOurs: () => false, now, isChat: ofChat });
  if (reason !== null) return no(reason);
  return {
    answers: true,
    to: autoreplyRecipient({ mail, verdict }),
    reason: `If it begins a ticket, and its sender was not answered in the last ${autoresponder.hours} hours${ofChat ? ' and has not asked for silence' : ''}.`,
  };
}

async function mailOf(
  deps: ApiDeps,
  tenantId: TenantId,
  channel: ChannelRow,
  given: z.output<typeof RulesTest>,
): Promise<{ mail: ParsedMail; size: number }> {
  const stored = given.message_id ?? given.source_id;
  const provider = findProvider(channel.provider);
  if (isChat(provider)) return chatOf(deps, tenantId, channel, provider, given);
  if (stored !== undefined) return storedMail(deps, tenantId, channel, stored);
  const bytes = given.fields ? await asRawMail(given.fields) : rawBytes(given.source!);
  if (bytes.length === 0)
    throw invalid('There is no mail to try.', [{ pointer: '/source', message: 'is empty' }]);
  const context = { received_at: new Date(), envelope: null, meta: null };
  return {
    mail: await parseMail(bytes, mailContext(context, channel)),
    size: bytes.length,
  };
}

/** A chat's own source: one that was received, or one as its vendor would push it. */
async function chatOf(
  { db }: ApiDeps,
  tenantId: TenantId,
  channel: ChannelRow,
  provider: ChatProvider,
  { message_id, source_id, source }: z.output<typeof RulesTest>,
): Promise<{ mail: ParsedMail; size: number }> {
  const id = message_id ?? source_id;
  const found = id === undefined ? null : await sourceOf(db, tenantId, channel.id, id);
  if (id !== undefined && !found) throw notFound('received message of this channel', id);
  if (!found && source === undefined)
    throw invalid('A chat’s message has no fields of a mail.', [
      { pointer: '/fields', message: 'is for channels of mail; give message_id or source_id' },
    ]);
  const bytes = found
    ? Buffer.concat(await Readable.from(readBlob(db, tenantId, found.sha256)).toArray())
    : Buffer.from(source!);
  const chat = readOr422(provider, found ?? { received_at: new Date(), meta: null }, bytes);
  const mail = chatAsParsed(chat, null, NO_FILES);
  return { mail: asRulesSee(mail, chatSubject(chat)), size: bytes.length };
}

function readOr422(...given: Parameters<typeof readChat>): ChatMessage {
  try {
    return readChat(...given);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw invalid('The message can’t be read.', [{ pointer: '/source', message }]);
  }
}

async function storedMail(
  { db }: ApiDeps,
  tenantId: TenantId,
  channel: ChannelRow,
  id: string,
): Promise<{ mail: ParsedMail; size: number }> {
  const source = await sourceOf(db, tenantId, channel.id, id);
  if (!source) throw notFound('received message of this channel', id);
  const content = Readable.from(readBlob(db, tenantId, source.sha256));
  return {
    mail: await parseMail(content, mailContext(source, channel)),
    size: source.size,
  };
}

/** A raw mail has a colon in its first line, which base64 has not. */
function rawBytes(source: string): Buffer {
  return /^[A-Za-z0-9+/_=\s-]*$/.test(source) ? Buffer.from(source, 'base64') : Buffer.from(source);
}
