import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { createTransport } from 'nodemailer';
import { freePort } from '../../../embedded/ports.ts';
import {
  eventually,
  httpSink,
  productLog,
  smtpSink,
  startedProduct,
  type HttpSink,
  type RunningProduct,
  type SmtpSink,
} from '../../harness/index.ts';
import { spansOf, type ReceivedSpan } from './otlp-sink.ts';

const marked = (place: string) => `zq${place}${randomBytes(5).toString('hex')}`;
const MARKERS = {
  subject: marked('subject'),
  body: marked('body'),
  customer: marked('customer'),
  name: marked('name'),
  answer: marked('answer'),
  refused: marked('refused'),
  login: marked('login'),
  password: marked('password'),
  words: marked('words'),
  path: marked('path'),
  secret: marked('secret'),
};

describe('one mail, its answer and their deliveries, watched', () => {
  let collector: HttpSink;
  let receiver: HttpSink;
  let outgoing: SmtpSink;
  let product: RunningProduct;
  let monitor: string;
  let ticketId: string;

  beforeAll(async () => {
    const metricsPort = await freePort();
    monitor = `http://127.0.0.1:${metricsPort}`;
    [collector, receiver, outgoing] = await Promise.all([
      httpSink(),
      httpSink(),
      smtpSink({ users: [{ username: MARKERS.login, password: MARKERS.password }] }),
    ]);
    product = await startedProduct({
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        POSTROOM_METRICS_PORT: String(metricsPort),
        POSTROOM_TEMPORAL_METRICS_PORT: String(await freePort()),
        POSTROOM_LOG_LEVEL: 'debug',
      },
    });
    await live();
  }, 240_000);

  afterAll(async () => {
    await product?.remove();
    await Promise.all([collector?.close(), receiver?.close(), outgoing?.close()]);
  });

  it('is one trace from the HTTP door to the delivery, which the receiver can go on from', async () => {
    const delivered = receiver.requests.find(({ body }) => body.includes('ticket.created'))!;
    const [, traceId, spanId] = String(delivered.headers.traceparent).split('-');
    await eventually(() => {
      const spans = spansOf(collector).filter((span) => span.traceId === traceId);
      const attempt = spans.find((span) => span.spanId === spanId);
      expect(attempt?.name).toBe('webhook attempt');
      expect(ancestry(spans, attempt!)).toEqual([
        'POST /ingress/mime/{channel_id}',
        'ingest',
        'webhook attempt',
      ]);
    });
  });

  it('is one trace from the agent’s request to the mail server and the delivery', async () => {
    const delivered = receiver.requests.find(({ body }) => body.includes('"message.sent"'))!;
    const [, traceId] = String(delivered.headers.traceparent).split('-');
    await eventually(() => {
      const spans = spansOf(collector).filter((span) => span.traceId === traceId);
      const attempt = spans.find(({ name }) => name === 'webhook attempt')!;
      const names = spans.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(['ticket command', 'send']));
      expect(ancestry(spans, attempt)[0]).toBe('POST /v1/tickets/{id}/messages');
    });
  });

  it('goes on from the mail door, too', async () => {
    await eventually(() => {
      const spans = spansOf(collector);
      const door = spans.find(({ name }) => name === 'SMTP DATA')!;
      const later = spans.filter((span) => span.parentSpanId === door.spanId);
      expect(later.map(({ name }) => name)).toContain('ingest');
    });
  });

  it('goes on from the caller’s own trace', async () => {
    const traceId = randomBytes(16).toString('hex');
    const parent = randomBytes(8).toString('hex');
    await call('GET', '/v1/tickets', undefined, { traceparent: `00-${traceId}-${parent}-01` });
    await eventually(() => {
      const [span] = spansOf(collector).filter((one) => one.traceId === traceId);
      expect(span).toMatchObject({ name: 'GET /v1/tickets', parentSpanId: parent });
    });
  });

  it('leaves no word of a person in a span', () => {
    const sent = Buffer.concat(collector.requests.map(({ body }) => body)).toString();
    expect(spansOf(collector).length).toBeGreaterThan(5);
    expect(markersIn(sent)).toEqual([]);
  });

  it('is counted: doors, ingestion, providers, deliveries and what is left', async () => {
    const metrics = await (await fetch(`${monitor}/metrics`)).text();
    for (const sample of [
      /^postroom_door_duration_seconds_count\{door="mime",outcome="accepted"\} 1$/m,
      /^postroom_door_duration_seconds_count\{door="mime",outcome="refused"\} 1$/m,
      /^postroom_door_duration_seconds_count\{door="smtp",outcome="accepted"\} 1$/m,
      /^postroom_ingest_delay_seconds_count\{provider="mime"\} 1$/m,
      /^postroom_provider_duration_seconds_count\{provider="smtp",operation="send",outcome="ok"\} 1$/m,
      /^postroom_provider_duration_seconds_count\{provider="smtp",operation="send",outcome="give_up"\} 1$/m,
      /^postroom_webhook_delay_seconds_count\{attempt="first"\} [1-9]/m,
      /^postroom_database_up 1$/m,
      /^postroom_sources_staged 0$/m,
      /^postroom_outbox_rows 0$/m,
      /^postroom_channels\{state="watching"\} [1-9]/m,
      /^postroom_process_cpu_user_seconds_total [\d.]+$/m,
    ])
      expect(metrics).toMatch(sample);
    expect(markersIn(metrics)).toEqual([]);
  });

  it('is counted by Temporal’s own SDK, too', async () => {
    const port = product.env.POSTROOM_TEMPORAL_METRICS_PORT;
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(metrics).toMatch(/^temporal_workflow_completed/m);
    expect(metrics).toMatch(/^temporal_activity_execution_latency/m);
  });

  it('has its process say that it lives, and that every part is ready', async () => {
    expect((await fetch(`${monitor}/healthz`)).status).toBe(200);
    const ready = await fetch(`${monitor}/readyz`);
    expect(ready.status).toBe(200);
    const { parts } = (await ready.json()) as { parts: { name: string; ok: boolean }[] };
    const names = parts.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['database', 'temporal', 'worker tickets']));
    expect((await fetch(`${monitor}/v1/tickets`)).status).toBe(404);
  });

  it('leaves no word of a person or secret in the log, at its loudest', () => {
    const log = productLog(product.home) + product.stdout() + product.stderr();
    expect(log).toContain('webhook attempt');
    expect(log.split('\n').length).toBeGreaterThan(10);
    expect(markersIn(log)).toEqual([]);
  });

  /** A mail by each door, a refused call, an answer that goes out, one that is refused, an endpoint that fails. */
  async function live(): Promise<void> {
    receiver.answerWith(({ path }) => (path.startsWith('/fails') ? { status: 500 } : {}));
    for (const url of [
      `${receiver.url}/works/${MARKERS.path}`,
      `${receiver.url}/fails/${MARKERS.path}`,
    ])
      await call('POST', '/v1/webhook-endpoints', {
        url,
        events: ['*'],
        secret: `${MARKERS.secret}${MARKERS.secret}`,
        max_retries: 1,
      });
    const answering = await call('POST', '/v1/channels', {
      provider: 'smtp',
      name: MARKERS.name,
      address: `help@${MARKERS.name}.example`,
      settings: {
        smtp: {
          host: '127.0.0.1',
          port: outgoing.port,
          security: 'none',
          username: MARKERS.login,
          password: MARKERS.password,
        },
      },
    });
    const door = await call('POST', '/v1/channels', { provider: 'mime', name: MARKERS.name });
    const ingress = `${product.running.apiUrl}/ingress/mime/${door.id}`;
    await fetch(ingress, {
      method: 'POST',
      body: mail(),
      headers: { authorization: 'Bearer wrong' },
    });
    const taken = await fetch(ingress, {
      method: 'POST',
      body: mail(),
      headers: { authorization: `Bearer ${door.ingress_token}` },
    });
    expect(taken.status).toBe(202);
    await eventually(async () => {
      const { data } = await call('GET', '/v1/tickets');
      expect(data).toHaveLength(1);
      ticketId = data[0].id;
    }, 90_000);
    const reply = (text: string) =>
      call('POST', `/v1/tickets/${ticketId}/messages`, { text, account_id: answering.id });
    await reply(MARKERS.answer);
    await outgoing.waitFor(1, 90_000);
    outgoing.failNext({
      kind: 'reject',
      at: 'data',
      code: 554,
      text: `5.7.1 ${MARKERS.words} <${MARKERS.customer}@customer.example>`,
    });
    await reply(MARKERS.refused);
    await byTheMailDoor();
    await eventually(() => {
      const bodies = receiver.requests.map(({ body }) => body.toString());
      for (const type of ['ticket.created', '"message.sent"', '"message.failed"'])
        expect(bodies.some((body) => body.includes(type))).toBe(true);
    }, 90_000);
  }

  async function byTheMailDoor(): Promise<void> {
    const transport = createTransport({
      host: product.running.smtpHost,
      port: product.running.smtpPort,
      tls: { rejectUnauthorized: false },
    });
    const channels = await call('GET', '/v1/channels');
    const door = channels.data.find(({ provider }: { provider: string }) => provider === 'smtp');
    await transport.sendMail({
      from: `${MARKERS.customer}@customer.example`,
      to: door.address,
      subject: MARKERS.subject,
      text: MARKERS.body,
    });
    transport.close();
  }

  // Answers of many shapes.
  // oxlint-disable-next-line typescript/no-explicit-any
  async function call(method: string, path: string, body?: object, more = {}): Promise<any> {
    const response = await fetch(product.running.apiUrl + path, {
      method,
      headers: {
        authorization: `Bearer ${product.key}`,
        'content-type': 'application/json',
        ...more,
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (!response.ok)
      throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }
});

function mail(): string {
  return [
    `From: ${MARKERS.name} <${MARKERS.customer}@customer.example>`,
    'To: help@example.test',
    `Subject: ${MARKERS.subject}`,
    `Message-ID: <${MARKERS.subject}@customer.example>`,
    '',
    MARKERS.body,
    '',
  ].join('\r\n');
}

/** Names of the spans from the trace's first one to this. */
function ancestry(spans: readonly ReceivedSpan[], span: ReceivedSpan): string[] {
  const parent = spans.find(({ spanId }) => spanId === span.parentSpanId);
  return [...(parent ? ancestry(spans, parent) : []), span.name];
}

function markersIn(text: string): string[] {
  return Object.entries(MARKERS).flatMap(([name, marker]) => (text.includes(marker) ? [name] : []));
}
