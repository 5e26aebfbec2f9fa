import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { z } from 'zod';
import { describedBy, describedByHand, type DescriptionOptions } from './description.ts';
import type { RequestDescription } from './server.ts';

const folder = mkdtempSync(join(tmpdir(), 'descriptions-'));
afterAll(() => rmSync(folder, { recursive: true }));

const write = (name: string, document: object) =>
  writeFileSync(join(folder, name), JSON.stringify(document));

/** What a description says of a request; a body is an object (JSON), or bytes with their type. */
async function problem(
  description: RequestDescription | null,
  asked: string,
  body?: object | { type: string; bytes: Buffer },
  headers: Record<string, string> = {},
): Promise<string | null> {
  const [method, target] = asked.split(' ') as [string, string];
  const { pathname, searchParams } = new URL(target, 'http://vendor');
  const [type, bytes] =
    body === undefined
      ? [undefined, Buffer.alloc(0)]
      : 'bytes' in body
        ? [body.type, body.bytes]
        : ['application/json', Buffer.from(JSON.stringify(body))];
  return description!.problem({
    method,
    path: pathname,
    query: searchParams,
    headers: { ...headers, ...(type !== undefined && { 'content-type': type }) },
    body: bytes,
  });
}

async function multipart(form: FormData) {
  const request = new Response(form);
  return {
    type: request.headers.get('content-type')!,
    bytes: Buffer.from(await request.arrayBuffer()),
  };
}

describe.each(['3.0.3', '3.1.0'])('an OpenAPI %s document', (openapi) => {
  let description: RequestDescription | null;
  beforeAll(() => {
    write(`${openapi}.json`, {
      openapi,
      servers: [{ url: 'https://vendor.example/v1' }],
      paths: {
        '/mails/{id}': {
          parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'integer' } }],
          get: {
            parameters: [
              { $ref: '#/components/parameters/Format' },
              { name: 'size', in: 'query', schema: { type: 'integer', maximum: 100 } },
              { name: 'tags', in: 'query', schema: { type: 'array', items: { enum: ['a', 'b'] } } },
              { name: 'x-account', in: 'header', required: true, schema: { minLength: 3 } },
            ],
          },
        },
        '/mails/latest': { get: {} },
        '/mails/{id}:send': { post: {} },
        '/mails': {
          post: {
            requestBody: {
              required: true,
              content: {
                'application/json': { schema: { $ref: '#/components/schemas/Mail' } },
                'multipart/form-data': { schema: { $ref: '#/components/schemas/Form' } },
                'message/rfc822': { schema: { type: 'string' } },
              },
            },
          },
        },
      },
      components: {
        parameters: {
          Format: {
            name: 'format',
            in: 'query',
            required: true,
            schema: { enum: ['raw', 'full'] },
          },
        },
        schemas: {
          Mail: {
            type: 'object',
            required: ['to'],
            additionalProperties: false,
            properties: {
              to: { type: 'array', items: { type: 'string', format: 'email' } },
              answers: { $ref: '#/components/schemas/Mail' },
            },
          },
          Form: {
            type: 'object',
            required: ['to', 'message'],
            properties: {
              to: { type: 'array', items: { type: 'string' } },
              message: { type: 'string', format: 'binary' },
              'o:tracking': { enum: ['yes', 'no'] },
            },
          },
        },
      },
    });
    description = describedBy([`${openapi}.json`], { folder });
  });

  const account = { 'x-account': 'abc' };

  it.each([
    ['GET /v1/mails/7?format=raw', undefined, account],
    ['GET /v1/mails/7?format=full&size=100&tags=a&tags=b', undefined, account],
    ['GET /v1/mails/7?format=raw&tags=a', undefined, account],
    ['GET /v1/mails/latest', undefined, {}],
    ['POST /v1/mails/7:send', undefined, {}],
    ['POST /v1/mails', { to: ['ada@example.com'], answers: { to: [] } }, {}],
    ['POST /v1/mails', { type: 'message/rfc822', bytes: Buffer.from('To: x\r\n\r\n') }, {}],
  ])('allows %s %o', async (asked, body, headers) => {
    expect(await problem(description, asked, body, headers)).toBeNull();
  });

  it.each([
    ['GET /v1/letters', undefined, {}, 'GET /v1/letters is no operation'],
    ['DELETE /v1/mails/7', undefined, {}, 'is no operation'],
    ['GET /mails/latest', undefined, {}, 'is no operation'],
    ['GET /v1/mails/seven?format=raw', undefined, account, 'path parameter id must be integer'],
    ['GET /v1/mails/7', undefined, account, 'query parameter format is missing'],
    [
      'GET /v1/mails/7?format=pdf',
      undefined,
      account,
      'format must be equal to one of the allowed values: raw,full',
    ],
    ['GET /v1/mails/7?format=raw&size=101', undefined, account, 'size must be <= 100'],
    ['GET /v1/mails/7?format=raw&tags=a&tags=c', undefined, account, 'tags /1 must be equal'],
    ['GET /v1/mails/7?format=raw&colour=red', undefined, account, 'colour is unknown'],
    ['GET /v1/mails/7?format=raw', undefined, {}, 'header parameter x-account is missing'],
    [
      'GET /v1/mails/7?format=raw',
      undefined,
      { 'x-account': 'ab' },
      'x-account must NOT have fewer',
    ],
    ['GET /v1/mails/latest', { to: [] }, {}, 'takes no body'],
    ['POST /v1/mails', undefined, {}, 'body is missing'],
    ['POST /v1/mails', {}, {}, "must have required property 'to'"],
    ['POST /v1/mails', { to: 'ada@example.com' }, {}, '/to must be array'],
    ['POST /v1/mails', { to: ['ada'] }, {}, '/to/0 must match format "email"'],
    ['POST /v1/mails', { to: [], cc: [] }, {}, 'must NOT have additional properties: cc'],
    ['POST /v1/mails', { to: [], answers: { to: 1 } }, {}, '/answers/to must be array'],
    [
      'POST /v1/mails',
      { type: 'text/plain', bytes: Buffer.from('x') },
      {},
      'is text/plain, where application/json or',
    ],
    [
      'POST /v1/mails',
      { type: 'application/json', bytes: Buffer.from('{') },
      {},
      'not the application/json it says',
    ],
  ])('refuses %s %o', async (asked, body, headers, reason) => {
    expect(await problem(description, asked, body, headers)).toContain(reason);
  });

  it('reads forms as the schema says, a file of 10 MB too', async () => {
    const form = new FormData();
    form.append('to', 'ada@example.com');
    form.append('message', new Blob([Buffer.alloc(10_000_000, 'x')]), 'mail.eml');
    expect(await problem(description, 'POST /v1/mails', await multipart(form))).toBeNull();
    form.append('to', 'bob@example.com');
    form.append('o:tracking', 'maybe');
    expect(await problem(description, 'POST /v1/mails', await multipart(form))).toContain(
      '/o:tracking',
    );
    form.delete('message');
    form.delete('o:tracking');
    expect(await problem(description, 'POST /v1/mails', await multipart(form))).toContain(
      "'message'",
    );
  });

  it('lets through what the vendor says on another page, and what it takes everywhere', async () => {
    const options: DescriptionOptions = {
      folder,
      everywhere: /^\$/,
      besides: [
        {
          match: /^POST \/v1\/mails$/,
          when: ({ headers }) => headers['content-type'] === 'text/plain',
          source: 'https://vendor.example/mime',
        },
      ],
    };
    const wider = describedBy([`${openapi}.json`], options);
    expect(await problem(wider, 'GET /v1/mails/latest?$select=id')).toBeNull();
    expect(await problem(wider, 'GET /v1/mails/latest?select=id')).toContain('select is unknown');
    const mime = { type: 'text/plain', bytes: Buffer.from('x') };
    expect(await problem(wider, 'POST /v1/mails', mime)).toBeNull();
    expect(await problem(wider, 'POST /v1/mails', {})).toContain('to');
  });
});

describe('a Swagger 2 document', () => {
  beforeAll(() =>
    write('swagger.json', {
      swagger: '2.0',
      basePath: '/api',
      paths: {
        '/post': {
          post: {
            parameters: [
              { name: 'token', in: 'header', type: 'string', required: true },
              { name: 'text', in: 'formData', type: 'string', required: true },
              { name: 'count', in: 'formData', type: 'integer' },
            ],
          },
        },
        '/find': {
          post: {
            parameters: [
              {
                name: 'ids',
                in: 'query',
                type: 'array',
                collectionFormat: 'csv',
                items: { type: 'integer' },
              },
              { name: 'body', in: 'body', required: true, schema: { $ref: '#/definitions/Query' } },
            ],
          },
        },
      },
      definitions: {
        Query: { type: 'object', required: ['q'], properties: { q: { type: 'string' } } },
      },
    }),
  );

  it('is held to like a newer one', async () => {
    const description = describedBy(['swagger.json'], { folder });
    const form = (text: string) => ({
      type: 'application/x-www-form-urlencoded',
      bytes: Buffer.from(text),
    });
    const token = { token: 'x' };
    expect(await problem(description, 'POST /api/post', form('text=a&count=3'), token)).toBeNull();
    expect(await problem(description, 'POST /api/post', form('count=3'), token)).toContain(
      'text is missing',
    );
    expect(await problem(description, 'POST /api/post', form('text=a&count=x'), token)).toContain(
      'count must be',
    );
    expect(await problem(description, 'POST /api/post', form('text=a'))).toContain(
      'token is missing',
    );
    expect(await problem(description, 'POST /api/find?ids=1,2', { q: 'x' })).toBeNull();
    expect(await problem(description, 'POST /api/find?ids=1,b', { q: 'x' })).toContain(
      'ids /1 must be integer',
    );
    expect(await problem(description, 'POST /api/find', { q: 1 })).toContain('/q must be string');
  });
});

describe('several documents', () => {
  it('are one description, and a missing one is said aloud', async () => {
    write('one.json', { openapi: '3.1.0', paths: { '/one': { get: {} } } });
    write('two.json', { openapi: '3.1.0', paths: { '/two': { get: {} } } });
    const both = describedBy(['one.json', 'two.json'], { folder });
    expect(both?.source).toBe('one.json, two.json');
    expect(await problem(both, 'GET /one')).toBeNull();
    expect(await problem(both, 'GET /two')).toBeNull();
    expect(await problem(both, 'GET /three')).toContain('no operation of one.json or two.json');
    const warning = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
    expect(describedBy(['one.json', 'gone.json'], { folder })).toBeNull();
    expect(warning.mock.calls.flat().join()).toContain('gone.json is not in');
    warning.mockRestore();
  });
});

describe('a description written by hand', () => {
  const description = describedByHand('https://vendor.example/docs', {
    'POST /email': {
      headers: z.object({ 'x-token': z.string() }),
      body: z.strictObject({ To: z.string(), Size: z.int().optional() }),
    },
    'GET /email/{id}': { query: z.strictObject({ part: z.enum(['head']).optional() }) },
  });
  const token = { 'x-token': 't' };

  it('allows what its schemas allow, and says what they do not', async () => {
    expect(await problem(description, 'POST /email', { To: 'a' }, token)).toBeNull();
    expect(await problem(description, 'GET /email/7?part=head')).toBeNull();
    expect(await problem(description, 'POST /email', { To: 'a' })).toContain('headers/x-token');
    expect(await problem(description, 'POST /email', { To: 1 }, token)).toContain('body/To');
    expect(await problem(description, 'POST /email?x=1', { To: 'a' }, token)).toContain(
      'x is unknown',
    );
    expect(await problem(description, 'GET /email/7?part=tail')).toContain('query/part');
    expect(await problem(description, 'GET /email/7', { a: 1 })).toContain('takes no body');
    expect(await problem(description, 'GET /email')).toContain(
      'no operation of https://vendor.example',
    );
  });
});

const specs = join(import.meta.dirname, '../../shared/specs');
(existsSync(specs) ? describe : describe.skip)('the vendors’ own documents', () => {
  it('hold Gmail’s requests', async () => {
    const gmail = describedBy(['gmail.v1.json', 'pubsub.v1.json'], { folder: specs });
    const messages = '/gmail/v1/users/me/messages';
    expect(await problem(gmail, `GET ${messages}/1?format=raw`)).toBeNull();
    expect(await problem(gmail, `GET ${messages}/1?format=eml`)).toContain('format');
    expect(await problem(gmail, `POST ${messages}/send`, { raw: 'YQ==' })).toBeNull();
    expect(await problem(gmail, `POST ${messages}/send`, { raw: 'a b' })).toContain('/raw');
    const upload = `/upload${messages}/send?uploadType=media`;
    const mime = { type: 'message/rfc822', bytes: Buffer.alloc(10_000_000, 'x') };
    expect(await problem(gmail, `POST ${upload}`, mime)).toBeNull();
    expect(
      await problem(gmail, 'POST /v1/projects/p/subscriptions/s:acknowledge', { ackIds: ['1'] }),
    ).toBeNull();
  });

  it('hold Graph’s', async () => {
    const graph = describedBy(['msgraph-v1.0.json'], { folder: specs, everywhere: /^\$/ });
    const delta = '/v1.0/users/ada%40example.test/mailFolders/inbox/messages/delta';
    expect(await problem(graph, `GET ${delta}?$deltatoken=x`)).toBeNull();
    const subscription = {
      changeType: 'created',
      notificationUrl: 'https://x.example',
      resource: '/me/messages',
      expirationDateTime: '2026-11-21T00:00:00Z',
    };
    expect(await problem(graph, 'POST /v1.0/subscriptions', subscription)).toBeNull();
    expect(
      await problem(graph, 'POST /v1.0/subscriptions', {
        ...subscription,
        expirationDateTime: 'soon',
      }),
    ).toContain('date-time');
    expect(await problem(graph, 'POST /v1.0/me/messages', { subjekt: 'x' })).toContain('subjekt');
  });

  it('hold SendGrid’s and Mailgun’s', async () => {
    const sendgrid = describedBy(['sendgrid-mail.json'], { folder: specs });
    const mail = {
      personalizations: [{ to: [{ email: 'ada@example.com' }] }],
      from: { email: 'support@example.com' },
      subject: 'x',
      content: [{ type: 'text/plain', value: 'x' }],
    };
    expect(await problem(sendgrid, 'POST /v3/mail/send', mail)).toBeNull();
    expect(await problem(sendgrid, 'POST /v3/mail/send', { ...mail, from: 'x' })).toContain(
      '/from',
    );
    const mailgun = describedBy(['mailgun.json'], { folder: specs });
    const form = new FormData();
    form.append('to', 'ada@example.com');
    form.append('message', new Blob(['To: x\r\n\r\nx']), 'message.mime');
    const asked = 'POST /v3/example.com/messages.mime';
    expect(await problem(mailgun, asked, await multipart(form))).toBeNull();
    form.append('o:dkim', 'perhaps');
    expect(await problem(mailgun, asked, await multipart(form))).toContain('o:dkim');
  });
});
