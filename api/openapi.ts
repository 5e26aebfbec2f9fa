import { z } from 'zod';
import { createDocument, type CreateDocumentOptions } from 'zod-openapi';
import { DomainEvent } from '../domain/events.ts';
import { PushedMail } from '../domain/mail/pushed-mail.ts';
import { Message, NormalizedMessage } from '../domain/message.ts';
import { ProblemDocument } from './problem.ts';
import { successStatus, type AnyRoute } from './route.ts';

type SchemaOverride = Parameters<
  Extract<CreateDocumentOptions['override'], (context: never) => unknown>
>[0];

const BYTES = { type: 'string' as const, format: 'binary' };
const PROBLEM = { $ref: '#/components/responses/Problem' } as const;

const REQUEST_ID = { 'X-Request-Id': 'Names this request in logs and problem documents.' };

const RAW_MAIL_DOOR = {
  operationId: 'postIngressMime',
  summary: 'Hand in a raw mail (RFC 5322)',
  description:
    'For Postfix pipes, mail workers and scripts. Authorized by the `ingress_token` of the channel. It says yes only after the mail is stored; a repeat with the same Idempotency-Key gets the first `source_id`.',
  tags: ['Doors'],
  security: [{ bearer: [] }],
  requestParams: {
    path: z.object({ channel_id: z.string() }),
    header: z.object({ 'Idempotency-Key': z.string().optional() }),
  },
  requestBody: { required: true, content: { 'message/rfc822': { schema: BYTES } } },
  responses: {
    '202': {
      description: 'Stored.',
      content: { 'application/json': { schema: z.object({ source_id: z.string() }) } },
    },
    ...Object.fromEntries(
      ['400', '401', '404', '409', '413', '503'].map((status) => [status, PROBLEM]),
    ),
  },
};

const REAL_TIME_DOOR = {
  operationId: 'postIngressEmail',
  summary: 'Hand in a parsed mail and hear what became of it',
  description:
    'For mail platforms. The `ingress_token` of a `mime` channel names the channel. The mail is ingested within the call, with high priority; where that takes too long the answer is `accepted`, and it is ingested right after. A mail that the channel’s `sender_domains` and `subject_keywords` (both must let it in) or its rules turn away answers `filtered` and is kept in the journal (`/v1/filtered`). The same `message_id` again is answered the same, without effect. `/webhooks/email` is the same door.',
  tags: ['Doors'],
  security: [{ bearer: [] }],
  requestBody: { required: true, content: { 'application/json': { schema: PushedMail } } },
  responses: {
    '200': {
      description: 'Decided.',
      content: {
        'application/json': {
          schema: z.union([
            z.object({
              status: z.literal('processed'),
              email_id: z.string().meta({ description: 'The message’s id.' }),
              ticket: z.object({ id: z.string(), number: z.int() }).nullable(),
              action: z.enum(['ticket_created', 'message_added', 'ticket_reopened', 'stored']),
            }),
            z.object({ status: z.literal('filtered') }),
          ]),
        },
      },
    },
    '202': {
      description: 'Stored, and to be ingested; or set aside, to be looked at by an admin.',
      content: {
        'application/json': {
          schema: z.object({ status: z.enum(['accepted', 'set_aside']), source_id: z.string() }),
        },
      },
    },
    ...Object.fromEntries(['401', '409', '413', '422', '503'].map((status) => [status, PROBLEM])),
  },
};

/** OpenAPI 3.1 of the declared routes, from the same schemas that validate them. */
export function openApiDocument(routes: readonly AnyRoute[], serverUrl: string) {
  const byPath = Map.groupBy(routes, (declared) => declared.path);
  return createDocument(
    {
      openapi: '3.1.0',
      info: {
        title: 'Postroom',
        version: '1',
        description:
          'Every channel a customer can write on comes in, becomes a ticket, and every answer goes out.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: serverUrl }],
      security: [{ bearer: [] }, { apiKey: [] }],
      tags: [...new Set(routes.flatMap(({ tags }) => tags))].map((name) => ({ name })),
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'An API key: `prk_…`.' },
          apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        },
        schemas: { NormalizedMessage, Message, Event: DomainEvent },
        responses: {
          Problem: {
            description: 'A problem document (RFC 9457).',
            content: { 'application/problem+json': { schema: ProblemDocument } },
          },
        },
      },
      paths: {
        ...Object.fromEntries(
          [...byPath].map(([path, declared]) => [
            path,
            Object.fromEntries(declared.map((one) => [one.method, operation(one)])),
          ]),
        ),
        '/ingress/mime/{channel_id}': { post: RAW_MAIL_DOOR },
        '/ingress/email': { post: REAL_TIME_DOOR },
      },
    },
    { override: openAnswers },
  );
}

/** Answers may gain fields; only what is sent to us is closed. */
function openAnswers({ jsonSchema, zodSchema, io }: SchemaOverride): void {
  const { def } = zodSchema._zod;
  if (io === 'output' && def.type === 'object' && def.catchall === undefined)
    delete jsonSchema.additionalProperties;
}

function operation(declared: AnyRoute) {
  const { summary, description, tags, scope, params, query, otherAnswers = {} } = declared;
  return {
    operationId: operationId(declared),
    summary,
    description: [description, `Scope: \`${scope}\`.`].filter(Boolean).join('\n\n'),
    tags: [...tags],
    requestParams: {
      ...(params ? { path: params } : {}),
      ...(query ? { query } : {}),
      ...requestHeaders(declared),
    },
    ...requestBody(declared),
    responses: {
      [String(successStatus(declared))]: success(declared),
      ...Object.fromEntries(
        Object.entries(otherAnswers).map(([status, description]) => [
          status,
          { ...success(declared), description },
        ]),
      ),
      ...Object.fromEntries(problemStatuses(declared).map((status) => [status, PROBLEM])),
    },
  };
}

function success({ response, downloads, responseHeaders }: AnyRoute) {
  const headers = Object.fromEntries(
    Object.entries({ ...REQUEST_ID, ...responseHeaders }).map(([name, description]) => [
      name,
      { description, schema: { type: 'string' as const } },
    ]),
  );
  if (downloads !== undefined)
    return { description: 'The bytes.', headers, content: { [downloads]: { schema: BYTES } } };
  if (response === undefined) return { description: 'Done.', headers };
  return { description: 'Done.', headers, content: { 'application/json': { schema: response } } };
}

function requestHeaders({ method, headers = {} }: AnyRoute) {
  const named = {
    ...(method === 'post'
      ? { 'Idempotency-Key': 'A repeat with the same key within 24 hours gets the first answer.' }
      : {}),
    ...headers,
  };
  const fields = Object.entries(named).map(
    ([name, description]) => [name, z.string().optional().meta({ description })] as const,
  );
  return fields.length === 0 ? {} : { header: z.object(Object.fromEntries(fields)) };
}

function requestBody({ body, documentedBody = body, bodyOptional, upload }: AnyRoute) {
  if (upload)
    return {
      requestBody: {
        required: true,
        content: Object.fromEntries(upload.map((type) => [type, { schema: BYTES }])),
      },
    };
  if (!documentedBody) return {};
  return {
    requestBody: {
      required: !bodyOptional,
      content: { 'application/json': { schema: documentedBody } },
    },
  };
}

function problemStatuses({
  method,
  params,
  query,
  body,
  upload,
  headers = {},
}: AnyRoute): string[] {
  return [
    ...(query || body || method === 'post' ? ['400'] : []),
    '401',
    '403',
    ...(params ? ['404'] : []),
    ...(method === 'post' ? ['409'] : []),
    ...('If-Match' in headers ? ['412'] : []),
    ...(body || upload ? ['413', '415'] : []),
    ...(body || method === 'post' ? ['422'] : []),
    '429',
    '503',
  ];
}

/** `get /v1/channels/{id}/status` → `getChannelsByIdStatus` */
function operationId({ method, path }: AnyRoute): string {
  const words = path
    .slice('/v1/'.length)
    .split('/')
    .map((step) => step.replace(/^\{(\w+)\}$/, 'by-$1'));
  return [method, ...words]
    .join('-')
    .replaceAll(/[-_:](\w)/g, (_, letter: string) => letter.toUpperCase());
}
