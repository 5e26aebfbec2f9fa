import type { Request, Response } from 'express';
import { graphError, type Refusal } from './errors.ts';
import { newWamid } from './ids.ts';
import { countSent, limitProblem } from './number-limits.ts';
import type { Reports } from './reports.ts';
import { templateValueProblem } from './template-values.ts';
import { templateProblem } from './templates.ts';
import type { SentChat, SimNumber, World } from './world.ts';

export interface SendBody {
  readonly to?: string;
  readonly type?: string;
  readonly status?: string;
  readonly message_id?: string;
  readonly typing_indicator?: unknown;
  readonly text?: { readonly body?: string };
  readonly template?: TemplateBody;
  readonly context?: { readonly message_id?: string };
  readonly reaction?: { readonly message_id?: string };
  readonly [kind: string]: unknown;
}

export interface TemplateBody {
  readonly name: string;
  readonly language: { readonly code: string };
  readonly components?: readonly {
    readonly type: string;
    readonly sub_type?: string;
    readonly index?: string | number;
    readonly parameters?: readonly TemplateValue[];
  }[];
}

/** `{type: "text", text}`, or a file under its type's name. */
export interface TemplateValue {
  readonly type: string;
  readonly parameter_name?: string;
  readonly text?: string;
  readonly [kind: string]: unknown;
}

/** https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/text-messages */
const MOST_TEXT = 4096;
const MEDIA_KINDS = ['image', 'video', 'audio', 'document', 'sticker'] as const;

/** `POST /{phone number}/messages`: sends, or marks as read. */
export async function sendWhatsApp(
  world: World,
  reports: Reports,
  number: SimNumber,
  request: Request,
  response: Response,
): Promise<void> {
  const body = request.body as SendBody; // held against the description
  if (body.status === 'read') return markRead(number, body, response);
  const to = (body.to ?? '').replace(/\D/g, '');
  const wrong = problemOf(world, number, to, body) ?? (await linkProblem(world, number, body));
  if (wrong?.as === 'answer') return graphError(response, wrong);
  const sent: SentChat = { id: newWamid(), at: new Date(world.now()), to, body, statuses: [] };
  number.sent.push(sent);
  countSent(world, number, to, body);
  response.json({
    messaging_product: 'whatsapp',
    contacts: [{ input: body.to, wa_id: to }],
    messages: [{ id: sent.id, ...(body.type === 'template' && { message_status: 'accepted' }) }],
  });
  reports.schedule(number, sent, wrong);
}

function markRead(number: SimNumber, body: SendBody, response: Response): void {
  if (!body.message_id?.startsWith('wamid.'))
    return graphError(response, { code: 100, details: 'message_id is no message of this number' });
  number.marked.push(body.message_id);
  response.json({ success: true });
}

type Wrong = Refusal & { readonly as: 'answer' | 'status' };
const answered = (refusal: Refusal): Wrong => ({ ...refusal, as: 'answer' });

/** What keeps it from being sent: told in the answer, or in a status after it. */
function problemOf(world: World, number: SimNumber, to: string, body: SendBody): Wrong | null {
  const planned = number.refusals.shift();
  if (planned) return planned;
  const limited = limitProblem(world, number, to, body);
  if (limited) return answered(limited);
  if (to === number.display.replace(/\D/g, '')) return answered({ code: 131021 });
  const unfit = contentProblem(world, number, body);
  if (unfit) return answered(unfit);
  const as = world.windowRefusal;
  if (number.unreachable.has(to)) return { code: 131026, as };
  if (body.template) {
    const fileOf = (id: string) => {
      const file = world.media.all.get(id);
      return file?.owner === number.id ? file : undefined;
    };
    const refusal =
      templateProblem(number.account, body.template) ??
      templateValueProblem(number.account, body.template, fileOf);
    return refusal && answered(refusal);
  }
  return world.isOpen(number, to) ? null : { code: 131047, as };
}

function contentProblem(world: World, number: SimNumber, body: SendBody): Refusal | null {
  const text = body.text?.body;
  if (body.type === 'text' && (text ?? '').length === 0)
    return { code: 100, details: 'text.body is required' };
  if (text !== undefined && text.length > MOST_TEXT)
    return {
      code: 100,
      details: `Param text['body'] must be at most ${MOST_TEXT} characters long.`,
    };
  for (const kind of MEDIA_KINDS) {
    const { id } = (body[kind] ?? {}) as { id?: string };
    if (id !== undefined && world.media.all.get(id)?.owner !== number.id)
      return { code: 131053, details: `Media with id ${id} was not found for this number.` };
  }
  return null;
}

/** A file that is given by its link is fetched, as Meta does it, and the send fails later where it can't be. */
async function linkProblem(world: World, number: SimNumber, body: SendBody): Promise<Wrong | null> {
  for (const kind of MEDIA_KINDS) {
    const { link } = (body[kind] ?? {}) as { link?: string };
    if (link === undefined) continue;
    try {
      const answer = await fetch(link);
      if (!answer.ok)
        return { code: 131052, as: 'status', details: `${link} answered ${answer.status}` };
      world.media.add({
        owner: number.id,
        bytes: Buffer.from(await answer.arrayBuffer()),
        contentType: answer.headers.get('content-type') ?? 'application/octet-stream',
      });
    } catch (error) {
      return { code: 131052, as: 'status', details: String(error) };
    }
  }
  return null;
}
