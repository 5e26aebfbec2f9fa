import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Request, Response, Router } from 'express';
import { rawBody } from '../server.ts';
import { graphError } from './errors.ts';
import { outgoingMime } from './outgoing.ts';
import { asked, list, shown, type DeltaTokens } from './queries.ts';
import { headerOf, type SimMailbox, type SimMessage } from './state.ts';
import { attach, type Uploads } from './uploads.ts';

/** Of a request's body (https://learn.microsoft.com/graph/api/user-post-messages). */
const MOST_BYTES = 4 * 1024 * 1024;

/** In how many parts bytes are sent, and how long after each other. */
export interface Pace {
  parts: number;
  ms: number;
}

export interface MailParts {
  readonly baseUrl: () => string;
  readonly uploads: Uploads;
  readonly deltas: DeltaTokens;
  /** Whose mailbox is asked for; null after the refusal was answered. */
  readonly open: (
    request: Request,
    response: Response,
    permissions: readonly string[],
  ) => SimMailbox | null;
  readonly sentOut: (raw: Buffer) => void;
  /** Whether drafts keep the Message-ID of their MIME, or at least take one that is put into them. */
  readonly messageIds: { readonly kept: 'always' | 'when_put' | 'never' };
  /** Of MIME. */
  readonly pace: Readonly<Pace>;
  /** Whether the next draft is refused. */
  readonly takeRefusal: () => boolean;
}

const READ = ['Mail.Read', 'Mail.ReadWrite'];
const WRITE = ['Mail.ReadWrite'];
const SEND = ['Mail.Send'];

type Serve = (
  mailbox: SimMailbox,
  request: Request<Record<string, string>>,
  response: Response,
) => unknown;
type ServeMessage = (
  message: SimMessage,
  mailbox: SimMailbox,
  request: Request,
  response: Response,
) => unknown;

/** One mailbox's folders and messages, under `/me` or `/users/{id}`. */
export function mailRoutes(
  api: Router,
  { baseUrl, uploads, deltas, open, sentOut, messageIds, pace, takeRefusal }: MailParts,
): void {
  const served =
    (permissions: readonly string[], serve: Serve) => (request: Request, response: Response) => {
      const mailbox = open(request, response, permissions);
      if (mailbox) serve(mailbox, request as Request<Record<string, string>>, response);
    };
  const ofMessage = (permissions: readonly string[], serve: ServeMessage) =>
    served(permissions, (mailbox, request, response) => {
      const message = mailbox.message(request.params['id']!);
      if (message) return serve(message, mailbox, request, response);
      graphError(
        response,
        404,
        'ErrorItemNotFound',
        'The specified object was not found in the store.',
      );
    });

  api.get(
    '/messages',
    served(READ, (mailbox, request, response) =>
      response.json(list(request, baseUrl(), [...mailbox.messages.values()])),
    ),
  );
  api.post('/messages', served(WRITE, create));
  api.get(
    '/messages/:id',
    ofMessage(READ, (message, _mailbox, request, response) =>
      response.json(shown(request, message)),
    ),
  );
  api.patch(
    '/messages/:id',
    ofMessage(WRITE, (message, mailbox, request, response) => {
      const { internetMessageId } = request.body as { internetMessageId?: string }; // as described
      if (internetMessageId !== undefined && message.isDraft && messageIds.kept !== 'never')
        message.internetMessageId = internetMessageId;
      mailbox.touch(message);
      response.json(shown(request, message));
    }),
  );
  api.delete(
    '/messages/:id',
    ofMessage(WRITE, (message, mailbox, _request, response) => {
      mailbox.remove(message);
      response.status(204).end();
    }),
  );
  api.get(
    '/messages/:id/\\$value',
    ofMessage(READ, (message, _mailbox, _request, response) => {
      if (message.isBroken)
        return graphError(
          response,
          500,
          'ErrorInternalServerError',
          'The content of the item can’t be converted.',
        );
      void slowly(response.type('text/plain'), message.mime, pace);
    }),
  );
  api.post('/messages/:id/send', ofMessage(SEND, send));
  api.get(
    '/messages/:id/attachments',
    ofMessage(READ, ({ attachments }, _mailbox, _request, response) =>
      response.json({
        value: attachments.map(({ id, name, contentType, content, isInline }) => ({
          '@odata.type': '#microsoft.graph.fileAttachment',
          id,
          name,
          contentType,
          size: content.length,
          isInline,
        })),
      }),
    ),
  );
  api.post(
    '/messages/:id/attachments',
    ofMessage(WRITE, (message, _mailbox, request, response) => {
      if (tooLarge(request, response)) return;
      const item = request.body as {
        name: string;
        contentType?: string;
        isInline?: boolean;
        contentId?: string;
        contentBytes: string;
      }; // as described
      response
        .status(201)
        .json({ id: attach(message, item, Buffer.from(item.contentBytes, 'base64')) });
    }),
  );
  api.post(
    '/messages/:id/attachments/createUploadSession',
    ofMessage(WRITE, (message, _mailbox, request, response) =>
      uploads.open(message, request, response),
    ),
  );
  api.post(
    '/messages/:id/move',
    ofMessage(WRITE, (message, mailbox, request, response) => {
      mailbox.move(message, (request.body as { destinationId: string }).destinationId); // as described
      response.status(201).json(shown(request, message));
    }),
  );

  const inFolder = (
    serve: (
      folder: NonNullable<ReturnType<SimMailbox['folder']>>,
      mailbox: SimMailbox,
      request: Request,
      response: Response,
    ) => unknown,
  ) =>
    served(READ, (mailbox, request, response) => {
      const folder = mailbox.folder(request.params['folder']!);
      if (folder) return serve(folder, mailbox, request, response);
      graphError(
        response,
        404,
        'ErrorItemNotFound',
        'The specified folder could not be found in the store.',
      );
    });
  api.get(
    '/mailFolders',
    served(READ, (mailbox, request, response) => folders(mailbox, null, request, response)),
  );
  api.get(
    '/mailFolders/:folder/childFolders',
    inFolder((folder, mailbox, request, response) =>
      folders(mailbox, folder.id, request, response),
    ),
  );
  api.get(
    '/mailFolders/:folder/messages',
    inFolder((folder, mailbox, request, response) =>
      response.json(
        list(
          request,
          baseUrl(),
          [...mailbox.messages.values()].filter(({ folderId }) => folderId === folder.id),
        ),
      ),
    ),
  );
  api.get(
    '/mailFolders/:folder/messages/delta',
    inFolder((folder, mailbox, request, response) => {
      // As reported of it (https://github.com/microsoftgraph/microsoft-graph-docs/issues/2270).
      if (asked(request, '$expand') !== undefined)
        return graphError(response, 500, 'InternalServerError', 'Value cannot be null.');
      const answer = deltas.answer(request, baseUrl(), mailbox, folder);
      if (answer) return response.json(answer);
      graphError(
        response,
        410,
        'syncStateNotFound',
        'The sync state generation is not found; delta token is expired.',
      );
    }),
  );

  /** Draft by MIME, in base64, or by JSON. */
  function create(mailbox: SimMailbox, request: Request, response: Response): void {
    if (tooLarge(request, response)) return;
    if (request.headers['content-type'] !== 'text/plain')
      return graphError(
        response,
        501,
        'NotImplemented',
        'This simulator makes drafts of MIME alone.',
      );
    const base64 = rawBody(request).toString();
    const mime = Buffer.from(base64, 'base64');
    if (mime.length === 0 || mime.toString('base64') !== base64)
      return graphError(
        response,
        400,
        'ErrorMimeContentInvalidBase64String',
        'Invalid base64 string for MIME content.',
      );
    if (/(^|[^\r])\n/.test(mime.toString('latin1')))
      return graphError(response, 400, 'ErrorMimeContentInvalid', 'MIME lines must end in CRLF.');
    const message = mailbox.add('drafts', mime, { isDraft: true });
    if (messageIds.kept !== 'always') message.internetMessageId = `<${randomUUID()}@exchange.test>`;
    response.status(201).json(shown(request, message));
  }

  function send(
    message: SimMessage,
    mailbox: SimMailbox,
    _request: Request,
    response: Response,
  ): void {
    if (!message.isDraft)
      return graphError(response, 400, 'ErrorInvalidRequest', 'The message is not a draft.');
    if (takeRefusal() || headerOf(message.mime, 'to') === null)
      return graphError(
        response,
        400,
        'ErrorInvalidRecipients',
        'At least one recipient isn’t valid.',
      );
    message.isDraft = false;
    mailbox.move(message, 'sentitems');
    const raw = outgoingMime(message);
    mailbox.sent.push({ id: message.immutableId, raw, at: new Date() });
    sentOut(raw);
    response.status(202).end();
  }
}

function folders(
  mailbox: SimMailbox,
  parentId: string | null,
  _request: Request,
  response: Response,
): void {
  const value = mailbox.folders
    .filter((folder) => folder.parentId === parentId)
    .map(({ id, displayName, parentId: parentFolderId }) => ({
      id,
      displayName,
      parentFolderId,
      childFolderCount: mailbox.folders.filter((child) => child.parentId === id).length,
    }));
  response.json({ value });
}

function tooLarge(request: Request, response: Response): boolean {
  if (rawBody(request).length <= MOST_BYTES) return false;
  graphError(response, 413, 'RequestEntityTooLarge', 'The request is larger than 4 MB.');
  return true;
}

export async function slowly(
  response: Response,
  bytes: Buffer,
  { parts, ms }: Readonly<Pace>,
): Promise<void> {
  if (parts === 1) return void response.send(bytes);
  const size = Math.ceil(bytes.length / parts);
  for (let from = 0; from < bytes.length; from += size) {
    response.write(bytes.subarray(from, from + size));
    await sleep(ms);
  }
  response.end();
}
