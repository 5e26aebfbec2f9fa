import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { MetaSimulator } from './simulator.ts';
import type { SimNumber, SimPage } from './world.ts';

export type Json = Record<string, unknown>;

/** A door that Meta calls, whose word is `verify-me`. */
export interface TestDoor {
  readonly url: string;
  /** What it was called with. */
  readonly called: { readonly signature: string; readonly body: Buffer }[];
  /** What it answers next, as HTTP statuses; 200 where there is nothing more. */
  readonly answers: number[];
  /** The calls' bodies. */
  told(): { readonly object: string; readonly entry: Json[] }[];
  /** What WhatsApp tells of, over all calls. */
  values(): Json[];
  /** Of those, what became of messages. */
  statuses(): Json[];
  /** What Messenger tells of, over all calls. */
  events(): Json[];
  close(): void;
}

export async function openDoor(): Promise<TestDoor> {
  const called: TestDoor['called'] = [];
  const answers: number[] = [];
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://door');
    if (request.method === 'GET') {
      const isRight = searchParams.get('hub.verify_token') === 'verify-me';
      response.statusCode = isRight ? 200 : 403;
      return response.end(isRight ? searchParams.get('hub.challenge') : '');
    }
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      called.push({ signature: String(request.headers['x-hub-signature-256']), body });
      response.statusCode = answers.shift() ?? 200;
      response.end();
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const told: TestDoor['told'] = () =>
    called.map(({ body }) => JSON.parse(body.toString()) as ReturnType<TestDoor['told']>[number]);
  const entries = () => told().flatMap(({ entry }) => entry);
  const values = () =>
    entries().flatMap(({ changes }) => (changes as { value: Json }[]).map(({ value }) => value));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ingress/meta`, // listens on TCP: never a path
    called,
    answers,
    told,
    values,
    statuses: () => values().flatMap((value) => (value['statuses'] ?? []) as Json[]),
    events: () => entries().flatMap(({ messaging }) => messaging as Json[]),
    close: () => void server.close(),
  };
}

interface Answer {
  readonly status: number;
  readonly body: Json;
}

/** A call of the Graph API with the line's own token. @param query with its question mark */
export async function ask(
  meta: MetaSimulator,
  line: SimNumber | SimPage,
  method: string,
  path: string,
  body?: unknown,
  query = '',
): Promise<Answer> {
  const isForm = body instanceof FormData;
  const answer = await fetch(`${meta.url}/v23.0${path}${query}`, {
    method,
    headers: {
      authorization: `Bearer ${line.token.value}`,
      ...(body !== undefined && !isForm && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: isForm ? body : JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Json };
}

/** Status, code and subcode. */
export function errorOf({ status, body }: Answer): unknown[] {
  const { code, error_subcode: subcode } = (body['error'] ?? {}) as Json;
  return [status, code, ...(subcode === undefined ? [] : [subcode])];
}
