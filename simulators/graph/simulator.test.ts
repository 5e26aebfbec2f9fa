import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { graphDescription } from './description.ts';
import { graphSimulator, type GraphSimulator } from './simulator.ts';

const ADDRESS = 'support@graph.test';
let simulator: GraphSimulator;
let token: string;
beforeEach(async () => {
  simulator = await graphSimulator();
  const { client_id, client_secret } = simulator.application(ADDRESS) as Record<string, string>; // texts
  const answer = await fetch(`${simulator.url}/common/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: client_id!,
      client_secret: client_secret!,
      scope: 'https://graph.microsoft.com/.default',
    }),
  });
  token = ((await answer.json()) as { access_token: string }).access_token;
});
afterEach(() => simulator.close());

async function ask(method: string, path: string, body?: object | string, more: object = {}) {
  const answer = await fetch(`${simulator.url}/v1.0/users/${ADDRESS}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': typeof body === 'string' ? 'text/plain' : 'application/json',
      ...more,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  // Tests look into answers of many shapes.
  return { status: answer.status, body: text === '' ? null : (JSON.parse(text) as Record<string, unknown>) }; // prettier-ignore
}
const codeOf = ({ status, body }: Awaited<ReturnType<typeof ask>>) => [
  status,
  (body?.['error'] as { code: unknown } | undefined)?.code,
];

const isDescribed = graphDescription() !== null;
(isDescribed ? it : it.skip)(
  'refuses what Microsoft’s description does not allow, and notes it',
  async () => {
    const { status } = await ask('PATCH', '/messages/x', { isRaed: true });
    expect(status).toBe(400);
    expect(simulator.violations).toMatchObject([{ reason: expect.stringContaining('isRaed') }]);
    expect((await ask('GET', '/messages?$top=1&pageSize=2')).status).toBe(400);
    expect(simulator.violations).toHaveLength(2);
  },
);

it('knows no caller without a token, and serves /me to none that is an application', async () => {
  expect(codeOf(await ask('GET', '/messages', undefined, { authorization: 'Bearer x' }))).toEqual([
    401,
    'InvalidAuthenticationToken',
  ]);
  const answer = await fetch(`${simulator.url}/v1.0/me/messages`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(answer.status).toBe(400);
});

it('gives ids that change when a message is moved, and others that stay where they are preferred', async () => {
  simulator.deliver(ADDRESS, 'Subject: x\r\n\r\n');
  const immutable = { prefer: 'IdType="ImmutableId"' };
  const idsOf = async (more: object = {}) =>
    ((await ask('GET', '/messages', undefined, more)).body!['value'] as { id: string }[])[0]!.id;
  const [regular, stays] = [await idsOf(), await idsOf(immutable)];
  await ask('POST', `/messages/${regular}/move`, { destinationId: 'archive' });
  expect(await idsOf()).not.toBe(regular);
  expect(await idsOf(immutable)).toBe(stays);
  expect((await ask('GET', `/messages/${stays}`)).status).toBe(200);
});

it('takes MIME in base64 with CRLF, up to 4 MB, and sends a draft once', async () => {
  const mime = (text: string) => Buffer.from(text).toString('base64');
  expect(codeOf(await ask('POST', '/messages', 'no base64!'))).toEqual([400, 'ErrorMimeContentInvalidBase64String']); // prettier-ignore
  expect(codeOf(await ask('POST', '/messages', mime('To: a@x.test\n\nHi')))).toEqual([400, 'ErrorMimeContentInvalid']); // prettier-ignore
  expect((await ask('POST', '/messages', mime('x'.repeat(3_200_000)))).status).toBe(413);
  const draft = await ask('POST', '/messages', mime('To: a@x.test\r\n\r\nHi'));
  expect(draft).toMatchObject({ status: 201, body: { isDraft: true } });
  const path = `/messages/${simulator.mailbox(ADDRESS).messages.keys().next().value!}/send`;
  expect((await ask('POST', path)).status).toBe(202);
  expect((await ask('POST', path)).status).toBe(400);
  expect(simulator.sent()).toHaveLength(1);
});

it('watches for 4,230 minutes at most, and nobody who does not shake hands', async () => {
  const subscribe = async (minutes: number) => {
    const answer = await fetch(`${simulator.url}/v1.0/subscriptions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        changeType: 'created',
        notificationUrl: 'http://127.0.0.1:9/nobody',
        resource: `users/${ADDRESS}/messages`,
        expirationDateTime: new Date(Date.now() + minutes * 60_000).toISOString(),
      }),
    });
    return ((await answer.json()) as { error: { message: string } }).error.message;
  };
  expect(await subscribe(4300)).toContain('4230 minutes');
  expect(await subscribe(60)).toContain('validation request failed');
  expect(simulator.violations).toEqual([]);
});

it('refuses a fifth request at once', async () => {
  simulator.deliver(ADDRESS, `Subject: x\r\n\r\n${'x'.repeat(1000)}`);
  const [id] = simulator.mailbox(ADDRESS).messages.keys();
  simulator.trickle(2, 500);
  const read = async () =>
    (
      await fetch(`${simulator.url}/v1.0/users/${ADDRESS}/messages/${id}/$value`, {
        headers: { authorization: `Bearer ${token}` },
      })
    ).status;
  const statuses = await Promise.all(Array.from({ length: 5 }, read));
  expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 200, 200, 200, 429]);
});
