import type { Request, Response } from 'express';
import { withinRate } from './access.ts';
import { graphError, type Refusal } from './errors.ts';
import { newMid } from './ids.ts';
import type { SimMedia } from './media-store.ts';
import type { Reports } from './reports.ts';
import { formOf, type UploadedFile } from './form-body.ts';
import { templateProblem } from './templates.ts';
import type { TemplateBody } from './whatsapp-sending.ts';
import type { SentChat, SimPage, World } from './world.ts';

interface Attachment {
  readonly type: string;
  readonly payload?: {
    readonly url?: string;
    readonly attachment_id?: string;
    readonly [more: string]: unknown;
  };
}

interface OutgoingMessage {
  readonly text?: string;
  readonly metadata?: string;
  readonly attachment?: Attachment;
  readonly attachments?: readonly Attachment[];
  readonly quick_replies?: readonly object[];
  readonly template?: TemplateBody;
}

export interface MessengerSend {
  readonly recipient: { readonly id: string };
  readonly messaging_type?: 'RESPONSE' | 'UPDATE' | 'MESSAGE_TAG' | 'UTILITY';
  readonly tag?: string;
  readonly message?: OutgoingMessage;
  readonly sender_action?: string;
  readonly reply_to?: { readonly mid: string };
}

/** With the Human Agent tag, in windows: seven days, where a window is one. */
const HUMAN_AGENT_WINDOWS = 7;
const MOST_TEXT = 2000;
const OUTSIDE: Refusal = {
  code: 10,
  subcode: 2018278,
  message:
    'This message is sent outside of allowed window. Learn more about the new policy here: https://developers.facebook.com/docs/messenger-platform/policy-overview',
};

export interface MessengerParts {
  readonly world: World;
  readonly reports: Reports;
  readonly mediaUrl: (media: SimMedia) => string;
  readonly baseUrl: () => string;
}

/** `POST /{page}/messages` (https://developers.facebook.com/docs/messenger-platform/reference/send-api). */
export async function sendMessenger(
  { world, reports, mediaUrl }: MessengerParts,
  page: SimPage,
  request: Request,
  response: Response,
): Promise<void> {
  const { body, file } = await sendRequest(request);
  const to = body.recipient.id;
  const wrong = problemOf(world, page, body);
  if (wrong) return graphError(response, wrong);
  if (body.sender_action !== undefined) {
    if (body.sender_action === 'mark_seen') page.marked.push(to);
    response.json({ recipient_id: to });
    return;
  }
  const { attachment, attachments, ...rest } = body.message ?? {};
  const media: SimMedia[] = [];
  for (const one of [attachment ?? [], attachments ?? []].flat()) {
    if (one.type === 'template') continue; // cards and buttons hold no file
    const held = await heldFile(world, page, one, file);
    if ('code' in held) return graphError(response, held);
    media.push(held);
  }
  const sent: SentChat = {
    id: newMid(),
    at: new Date(world.now()),
    to,
    body: { ...body },
    statuses: [],
  };
  page.sent.push(sent);
  response.json({
    recipient_id: to,
    message_id: sent.id,
    ...(file && media[0] && { attachment_id: media[0].id }),
  });
  reports.echo(page, to, {
    mid: sent.id,
    app_id: Number(page.app.id),
    ...(rest.text !== undefined && { text: rest.text }),
    ...(rest.metadata !== undefined && { metadata: rest.metadata }),
    ...(attachment?.type === 'template' && { attachments: [attachment] }),
    ...(media.length > 0 && {
      attachments: media.map((one) => ({
        type: attachment?.type ?? attachments?.[0]?.type ?? 'file',
        payload: { url: mediaUrl(one) },
      })),
    }),
  });
  reports.schedule(page, sent, null);
}

/** `POST /{page}/message_attachments`: a file to be sent by its id, as often as wanted. */
export async function uploadAttachment(
  { world }: MessengerParts,
  page: SimPage,
  request: Request,
  response: Response,
): Promise<void> {
  const { body, file } = await sendRequest(request);
  const held = await heldFile(world, page, body.message?.attachment ?? { type: 'file' }, file);
  if ('code' in held) return graphError(response, held);
  response.json({ attachment_id: held.id });
}

/** JSON, or a form whose fields are JSON, with the file beside them. */
async function sendRequest(
  request: Request,
): Promise<{ body: MessengerSend; file: UploadedFile | null }> {
  if (!Buffer.isBuffer(request.body)) return { body: unfolded(request.body as object), file: null };
  const { fields, file } = await formOf(request);
  return { body: unfolded(fields), file };
}

/** A form's values are JSON where they begin like an object. */
function unfolded(fields: object): MessengerSend {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' && value.startsWith('{') ? (JSON.parse(value) as unknown) : value,
    ]),
  ) as unknown as MessengerSend; // held against the description
}

/** The file an attachment speaks of: uploaded before, fetched from its address, or beside it in the form. */
async function heldFile(
  world: World,
  page: SimPage,
  { payload }: Attachment,
  file: UploadedFile | null,
): Promise<SimMedia | Refusal> {
  if (payload?.attachment_id !== undefined) {
    const held = world.media.all.get(payload.attachment_id);
    if (held?.owner === page.id) return held;
    return { code: 100, subcode: 2018074, message: 'Invalid attachment ID' };
  }
  if (file) return world.media.add({ ...file, owner: page.id });
  if (payload?.url === undefined)
    return {
      code: 100,
      subcode: 2018007,
      message: 'Attachment needs a url, an attachment_id or a file',
    };
  try {
    const answer = await fetch(payload.url);
    if (answer.ok)
      return world.media.add({
        owner: page.id,
        bytes: Buffer.from(await answer.arrayBuffer()),
        contentType: answer.headers.get('content-type') ?? 'application/octet-stream',
      });
  } catch {
    // Answered below, as an address that answers badly is.
  }
  return { code: 100, subcode: 2018008, message: 'Failed to fetch the file from the url' };
}

function problemOf(world: World, page: SimPage, body: MessengerSend): Refusal | null {
  const planned = page.refusals.shift();
  if (planned) return planned;
  if (!withinRate(page)) return { code: 613 };
  const { id } = body.recipient;
  if (!page.people.has(id))
    return { code: 100, subcode: 2018001, message: 'No matching user found' };
  if (body.sender_action !== undefined) return null;
  const template = body.message?.template;
  if (template || body.messaging_type === 'UTILITY') return utilityProblem(page, body);
  const text = body.message?.text;
  if (text !== undefined && text.length > MOST_TEXT)
    return {
      code: 100,
      message: `Length of param message[text] must be less than or equal to ${MOST_TEXT}`,
    };
  return windowProblem(world, page, id, body);
}

/** https://developers.facebook.com/docs/messenger-platform/send-messages/utility-messages */
function utilityProblem(page: SimPage, { messaging_type: type, message }: MessengerSend) {
  if (!page.token.permissions.has('page_utility_messaging'))
    return { code: 200, message: 'Requires page_utility_messaging permission' };
  if (!message?.template || type !== 'UTILITY')
    return { code: 100, message: 'A template goes with messaging_type UTILITY' };
  const problem = templateProblem(page, message.template);
  return problem && { code: 100, message: problem.details ?? 'The template can’t be sent' };
}

/** https://developers.facebook.com/docs/messenger-platform/policy/policy-overview */
function windowProblem(
  world: World,
  page: SimPage,
  to: string,
  { messaging_type: type, tag }: MessengerSend,
): Refusal | null {
  if (type !== 'MESSAGE_TAG') return world.isOpen(page, to) ? null : OUTSIDE;
  if (tag !== 'HUMAN_AGENT')
    return {
      code: 100,
      message: `Invalid parameter: the message tag ${String(tag)} is not available`,
    };
  if (!page.token.permissions.has('human_agent'))
    return { code: 10, message: 'Requires the Human Agent feature to use this tag' };
  const lastsTo = (page.wroteAt.get(to) ?? 0) + HUMAN_AGENT_WINDOWS * world.windowMs;
  return lastsTo > world.now() ? null : OUTSIDE;
}
