import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import type { Response, Router } from 'express';
import MailComposer from 'nodemailer/lib/mail-composer';
import type { Simulator } from '../contract.ts';
import { describedBy } from '../description.ts';
import {
  Caller,
  mailCloudControls,
  type MailCloud,
  type ReportKind,
  type SentMail,
} from '../mail-cloud.ts';
import { createSimulatorServer, type AnsweredFault } from '../server.ts';
import { parseCall } from './inbound.ts';

export interface SendgridOptions {
  readonly port?: number;
  readonly apiKey?: string;
}

export interface SendgridSimulator extends MailCloud {
  /** As SendGrid shows them: of the Event Webhook, and of the Inbound Parse webhook's security policy. */
  readonly eventPublicKey: string;
  readonly parsePublicKey: string;
}

interface Person {
  readonly email: string;
  readonly name?: string;
}

interface Mail {
  readonly personalizations: readonly {
    readonly to: readonly Person[];
    readonly cc?: readonly Person[];
    readonly headers?: Readonly<Record<string, string>>;
    readonly custom_args?: Readonly<Record<string, string>>;
  }[];
  readonly from: Person;
  readonly reply_to?: Person;
  readonly subject: string;
  readonly content: readonly { readonly type: string; readonly value: string }[];
  readonly attachments?: readonly {
    readonly content: string;
    readonly filename: string;
    readonly type?: string;
    readonly content_id?: string;
  }[];
  readonly mail_settings?: { readonly sandbox_mode?: { readonly enable?: boolean } };
}

/** SendGrid on loopback: Mail Send, a signed Inbound Parse webhook, a signed Event Webhook. */
export async function sendgridSimulator({
  port,
  apiKey = 'SG.key',
}: SendgridOptions = {}): Promise<SendgridSimulator> {
  const sent: SentMail[] = [];
  const argumentsOf = new Map<string, Readonly<Record<string, string>>>();
  const caller = new Caller();
  const [events, parse] = [keyPair(), keyPair()];
  let isRefusing = false;

  const routes = (api: Router) => {
    api.use((request, response, next) => {
      if (request.headers.authorization === `Bearer ${apiKey}`) return next();
      refuse(response, 401, 'The provided authorization grant is invalid, expired, or revoked');
    });
    api.post('/v3/mail/batch', (_request, response) => {
      response.status(201).json({ batch_id: randomBytes(20).toString('hex') });
    });
    api.post('/v3/mail/send', async (request, response) => {
      const mail = request.body as Mail;
      if (isRefusing) {
        isRefusing = false;
        refuse(
          response,
          400,
          'Does not contain a valid address: ada@x.test',
          'personalizations.0.to',
        );
        return;
      }
      if (mail.mail_settings?.sandbox_mode?.enable) {
        response.status(200).end();
        return;
      }
      const composed = await composedOf(mail);
      sent.push(composed);
      argumentsOf.set(composed.id, mail.personalizations[0]!.custom_args ?? {});
      response.status(202).set('X-Message-Id', composed.id).end();
    });
  };

  const signed = (key: KeyObject, body: Buffer) => {
    const timestamp = String(Math.floor(Date.now() / 1000));
    const signature = sign('sha256', Buffer.concat([Buffer.from(timestamp), body]), key);
    return {
      'x-twilio-email-event-webhook-timestamp': timestamp,
      'x-twilio-email-event-webhook-signature': signature.toString('base64'),
    };
  };

  const server = await createSimulatorServer({
    name: 'sendgrid',
    port,
    description: describedBy(['sendgrid-mail.json', 'sendgrid-webhooks.json']),
    routes,
    controls: (control) => mailCloudControls(control, () => cloud),
    wording: (kind: AnsweredFault, response) => refuse(response, response.statusCode, kind),
  });
  const cloud: SendgridSimulator = Object.assign(server, {
    sent,
    calls: caller.calls,
    eventPublicKey: events.shown,
    parsePublicKey: parse.shown,
    connect: (url: string) => caller.connect(url),
    refuseNext: () => {
      isRefusing = true;
    },
    async deliver(raw: Buffer, how = {}) {
      const { headers, body } = await parseCall(raw, { mode: 'parsed', ...how });
      return caller.call({ ...headers, ...signed(parse.key, body) }, body);
    },
    report(mail: SentMail, kind: ReportKind) {
      const event = { ...eventOf(mail, kind), ...argumentsOf.get(mail.id) };
      const body = Buffer.from(JSON.stringify([event]));
      const headers = { 'content-type': 'application/json', ...signed(events.key, body) };
      return caller.call(headers, body);
    },
  } satisfies Omit<SendgridSimulator, keyof Simulator>);
  return cloud;
}

function keyPair(): { key: KeyObject; shown: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const der = publicKey.export({ type: 'spki', format: 'der' });
  return { key: privateKey, shown: der.toString('base64') };
}

function refuse(response: Response, status: number, message: string, field?: string): void {
  response.status(status).json({ errors: [{ message, field: field ?? null }] });
}

async function composedOf(mail: Mail): Promise<SentMail> {
  const [envelope] = mail.personalizations;
  const headers = Object.entries(envelope!.headers ?? {});
  const value = (name: string) => headers.find(([key]) => key.toLowerCase() === name)?.[1];
  const own = /^(message-id|in-reply-to|references)$/i;
  const body = (type: string) => mail.content.find((part) => part.type === type)?.value;
  const node = new MailComposer({
    from: mailbox(mail.from),
    to: envelope!.to.map(mailbox),
    cc: (envelope!.cc ?? []).map(mailbox),
    replyTo: mail.reply_to && mailbox(mail.reply_to),
    subject: mail.subject,
    text: body('text/plain'),
    html: body('text/html'),
    messageId: value('message-id'),
    inReplyTo: value('in-reply-to'),
    references: value('references'),
    headers: headers.filter(([key]) => !own.test(key)).map(([key, text]) => ({ key, value: text })),
    attachments: (mail.attachments ?? []).map((attachment) => ({
      filename: attachment.filename,
      content: Buffer.from(attachment.content, 'base64'),
      contentType: attachment.type,
      ...(attachment.content_id && { cid: attachment.content_id }),
    })),
  }).compile();
  const id = randomBytes(11).toString('base64url');
  return { id, at: new Date(), recipients: node.getEnvelope().to, raw: await node.build() };
}

function mailbox({ email, name = '' }: Person) {
  return { address: email, name };
}

/** https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event */
function eventOf(mail: SentMail, kind: ReportKind): object {
  const common = {
    email: mail.recipients[0],
    timestamp: Math.floor(Date.now() / 1000),
    sg_event_id: randomBytes(16).toString('base64url'),
    sg_message_id: `${mail.id}.recvd-1`,
  };
  switch (kind) {
    case 'delivered':
      return { ...common, event: 'delivered', response: '250 OK' };
    case 'bounced':
      return {
        ...common,
        event: 'bounce',
        type: 'bounce',
        status: '5.1.1',
        reason: '550 5.1.1 user unknown',
      };
    case 'complained':
      return { ...common, event: 'spamreport' };
  }
}
