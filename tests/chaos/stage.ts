import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApiKey, ensureTenant } from '../../db/queries/tenants.ts';
import type { TenantId } from '../../domain/ids.ts';
import { Random } from '../generator/random.ts';
import { dovecot, type Dovecot } from '../harness/dovecot.ts';
import { httpSink, type HttpSink } from '../harness/http-sink.ts';
import { smtpSink, type SmtpSink } from '../harness/smtp-sink.ts';
import { chaosInstallation, type ChaosInstallation, type ChaosOptions } from './installation.ts';

/** The installation and the outside that it talks to. */
export interface World {
  readonly installation: ChaosInstallation;
  readonly mailServer: Dovecot;
  readonly customers: SmtpSink;
  readonly receivers: HttpSink;
  /** Mailboxes that no scene has used yet. */
  readonly freeMailboxes: string[];
  close(): Promise<void>;
}

const PASSWORD = 'secret';
/** So that a kill now and then comes between the last byte and the answer. */
const CUSTOMERS_ANSWER_AFTER_MS = 60;

export async function openWorld(mailboxes: number, options: ChaosOptions = {}): Promise<World> {
  const freeMailboxes = Array.from({ length: mailboxes }, (_, at) => `box${at}@example.test`);
  const users = freeMailboxes.map((username) => ({ username, password: PASSWORD }));
  const [mailServer, customers, receivers, installation] = await Promise.all([
    dovecot(users),
    smtpSink({ answerAfterMs: CUSTOMERS_ANSWER_AFTER_MS }),
    httpSink(),
    chaosInstallation(options),
  ]);
  return {
    installation,
    mailServer,
    customers,
    receivers,
    freeMailboxes,
    async close() {
      await installation.close();
      await Promise.all([mailServer.stop(), customers.close(), receivers.close()]);
    },
  };
}

export interface Answer {
  readonly status: number;
  // Answers of many shapes are looked into.
  readonly body: any; // oxlint-disable-line typescript/no-explicit-any
}

/** A tenant of a scene's own, with a webhook endpoint for every event. */
export interface Stage extends World {
  readonly tenantId: TenantId;
  readonly random: Random;
  /** Unique over the installation. */
  readonly name: string;
  /** Where its webhooks go at the receivers. */
  readonly hooks: readonly string[];
  /** As a careful client: again with the same Idempotency-Key while the answer is none or 5xx. */
  call(method: string, path: string, body?: unknown): Promise<Answer>;
}

const CALL_WITHIN_MS = 15 * 60_000;
const ATTEMPT_WITHIN_MS = 30_000;
let stages = 0;

export async function setStage(world: World, seed: number, endpoints = 1): Promise<Stage> {
  const { deps, apiUrl } = world.installation;
  const name = `scene-${++stages}-${seed}`;
  const tenantId = await ensureTenant(deps.db, name);
  const { key } = await createApiKey(deps.db, tenantId, name, ['*']);
  const hooks = Array.from({ length: endpoints }, (_, at) => `/${name}/${at}`);
  const stage: Stage = {
    ...world,
    tenantId,
    random: new Random(seed),
    name,
    hooks,
    call: (method, path, body) => call(apiUrl + path, method, key, body),
  };
  for (const hook of hooks)
    expectStatus(
      await stage.call('POST', '/v1/webhook-endpoints', {
        url: world.receivers.url + hook,
        events: ['*'],
        max_retries: 8,
      }),
      201,
    );
  return stage;
}

/** @throws Error with the answer where it is another. */
export function expectStatus(answer: Answer, status: number): Answer {
  if (answer.status !== status)
    throw new Error(`Expected ${status}, got ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer;
}

async function call(url: string, method: string, key: string, body: unknown): Promise<Answer> {
  const deadline = Date.now() + CALL_WITHIN_MS;
  const headers = {
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
    ...(method === 'POST' ? { 'idempotency-key': randomUUID() } : {}),
  };
  for (;;) {
    const answer = await attempt(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    // 409 while the first attempt with this key is still under way.
    const isAgain = answer.status === 0 || answer.status >= 500 || answer.status === 409;
    if (!isAgain || Date.now() > deadline) return answer;
    await sleep(200);
  }
}

async function attempt(url: string, request: RequestInit): Promise<Answer> {
  try {
    const signal = AbortSignal.timeout(ATTEMPT_WITHIN_MS);
    const response = await fetch(url, { ...request, signal });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, body: isJson ? JSON.parse(text) : text };
  } catch (error) {
    return { status: 0, body: String(error) };
  }
}

/** A mailbox read by IMAP, which nobody else has. */
export async function imapChannel(stage: Stage, importSince: string): Promise<ImapChannel> {
  const username = stage.freeMailboxes.shift();
  if (username === undefined) throw new Error('The mail server has no free mailbox left.');
  const { mailServer, customers } = stage;
  const make = async () => {
    const { body } = expectStatus(
      await stage.call('POST', '/v1/channels', {
        provider: 'imap',
        name: stage.name,
        settings: {
          host: mailServer.host,
          port: mailServer.ports.imap,
          security: 'none',
          username,
          password: PASSWORD,
          import_since: importSince,
          batch_size: 10,
          smtp: { host: customers.host, port: customers.port, security: 'none' },
        },
      }),
      201,
    );
    return body.id as string;
  };
  return { username, make };
}

export interface ImapChannel {
  readonly username: string;
  /** Makes the channel, whose import begins at once; returns its id. */
  readonly make: () => Promise<string>;
}

/** A channel of our own mail door, with its address. */
export async function smtpChannel(stage: Stage): Promise<{ id: string; address: string }> {
  const address = `${stage.name}@example.test`;
  const { host, port } = stage.customers;
  const { body } = expectStatus(
    await stage.call('POST', '/v1/channels', {
      provider: 'smtp',
      name: stage.name,
      address,
      settings: { smtp: { host, port, security: 'none' } },
    }),
    201,
  );
  return { id: body.id as string, address };
}

export async function mimeChannel(
  stage: Stage,
  address = `${stage.name}@example.test`,
): Promise<{ url: string; token: string }> {
  const { body } = expectStatus(
    await stage.call('POST', '/v1/channels', {
      provider: 'mime',
      name: stage.name,
      address,
      settings: {},
    }),
    201,
  );
  const url = `${stage.installation.apiUrl}/ingress/mime/${body.id as string}`;
  return { url, token: body.ingress_token as string };
}
