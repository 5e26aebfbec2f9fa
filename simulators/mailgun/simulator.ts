import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import type { Request, Response, Router } from 'express';
import { readForm } from '../../providers/vendor-form.ts';
import type { Simulator } from '../contract.ts';
import { describedBy } from '../description.ts';
import {
  Caller,
  headerLines,
  mailCloudControls,
  type MailCloud,
  type ReportKind,
  type SentMail,
} from '../mail-cloud.ts';
import { createSimulatorServer, rawBody, type AnsweredFault } from '../server.ts';
import { routeCall } from './inbound.ts';

export interface MailgunOptions {
  readonly port?: number;
  readonly apiKey?: string;
  readonly signingKey?: string;
  readonly domain?: string;
}

/** Mailgun on loopback: one sending domain, routes of all kinds, events. */
export async function mailgunSimulator({
  port,
  apiKey = 'key-mailgun',
  signingKey = 'signing-key',
  domain = 'mg.example.test',
}: MailgunOptions = {}): Promise<MailCloud> {
  const sent: SentMail[] = [];
  const stored = new Map<string, Buffer>();
  const caller = new Caller();
  const login = `Basic ${Buffer.from(`api:${apiKey}`).toString('base64')}`;
  let isRefusing = false;

  const routes = (api: Router) => {
    api.use((request, response, next) => {
      if (request.headers.authorization === login) return next();
      response.status(401).type('text').send('Forbidden');
    });
    api.get('/v4/domains/:name', (request, response) => {
      if (request.params.name !== domain) return notFound(response, 'Domain not found');
      response.json({ domain: { name: domain, state: 'active', type: 'custom' } });
    });
    api.post('/v3/:domain/messages.mime', async (request, response) => {
      if (request.params.domain !== domain) return notFound(response, 'Domain not found');
      if (isRefusing) {
        isRefusing = false;
        response.status(400).json({ message: "'to' parameter is not a valid address: ada@x.test" });
        return;
      }
      const mail = await taken(request);
      sent.push(mail);
      response.json({ id: `<${mail.id}>`, message: 'Queued. Thank you.' });
    });
    api.get('/v3/domains/:domain/messages/:key', (request, response) => {
      const raw = stored.get(request.params.key);
      if (!raw) return notFound(response, 'Message not found');
      if (request.headers.accept === 'message/rfc2822')
        response.json({ 'body-mime': raw.toString(), recipients: '', sender: '' });
      else response.json({ subject: '' });
    });
  };

  const signature = () => {
    const timestamp = String(Math.floor(Date.now() / 1000));
    const token = randomBytes(25).toString('hex');
    const hmac = createHmac('sha256', signingKey)
      .update(timestamp + token)
      .digest('hex');
    return { timestamp, token, signature: hmac };
  };

  const server = await createSimulatorServer({
    name: 'mailgun',
    port,
    description: describedBy(['mailgun.json']),
    routes,
    controls: (control) => mailCloudControls(control, () => cloud),
    wording,
  });
  const cloud: MailCloud = Object.assign(server, {
    sent,
    calls: caller.calls,
    connect: (url: string) => caller.connect(url),
    refuseNext: () => {
      isRefusing = true;
    },
    async deliver(raw: Buffer, how = {}) {
      const key = randomUUID();
      stored.set(key, raw);
      const url = `${server.url}/v3/domains/${domain}/messages/${key}`;
      const { headers, body } = await routeCall(raw, { mode: 'parsed', ...how }, signature(), url);
      return caller.call(headers, body);
    },
    report(mail: SentMail, kind: ReportKind) {
      const event = { signature: signature(), 'event-data': eventOf(mail, kind) };
      const headers = { 'content-type': 'application/json' };
      return caller.call(headers, Buffer.from(JSON.stringify(event)));
    },
  } satisfies Omit<MailCloud, keyof Simulator>);
  return cloud;
}

function notFound(response: Response, message: string): void {
  response.status(404).json({ message });
}

function wording(kind: AnsweredFault, response: Response): void {
  if (kind.startsWith('token')) response.type('text').send('Forbidden');
  else response.json({ message: `Simulated: ${kind}.` });
}

/** `messages.mime` goes out as it came; only `to` says to whom. */
async function taken(request: Request): Promise<SentMail> {
  const form = await readForm({ headers: request.headers, body: rawBody(request) });
  const raw = form.files.find(({ field }) => field === 'message')!.content;
  const messageId = headerLines(raw).find(([name]) => /^message-id$/i.test(name))?.[1];
  return {
    id: messageId?.replace(/^<|>$/g, '') ?? `${randomUUID()}@mg.example.test`,
    at: new Date(),
    recipients: (form.fields.get('to') ?? []).map(String),
    raw,
  };
}

/** https://documentation.mailgun.com/docs/mailgun/user-manual/events/events */
function eventOf(mail: SentMail, kind: ReportKind): object {
  const isBounce = kind === 'bounced';
  return {
    event: isBounce ? 'failed' : kind,
    id: randomUUID(),
    timestamp: Date.now() / 1000,
    recipient: mail.recipients[0],
    'log-level': isBounce ? 'error' : 'info',
    ...(isBounce && { severity: 'permanent', reason: 'bounce' }),
    ...(kind !== 'complained' && {
      'delivery-status': isBounce
        ? { code: 550, message: '5.1.1 user unknown', description: '' }
        : { code: 250, message: 'OK', description: '' },
    }),
    message: { headers: { 'message-id': mail.id, to: mail.recipients[0] }, attachments: [] },
    tags: [],
    'user-variables': {},
  };
}
