import { randomUUID } from 'node:crypto';
import type { Response, Router } from 'express';
import MailComposer from 'nodemailer/lib/mail-composer';
import type { Simulator } from '../contract.ts';
import { createSimulatorServer, type AnsweredFault } from '../server.ts';
import {
  Caller,
  mailCloudControls,
  type MailCloud,
  type ReportKind,
  type SentMail,
} from '../mail-cloud.ts';
import { description } from './description.ts';
import { inboundPayload } from './inbound.ts';

export interface PostmarkOptions {
  readonly port?: number;
  readonly token?: string;
  /** Whether "Include raw email content in JSON payload" is on. */
  readonly rawEmail?: boolean;
}

interface Email {
  readonly From: string;
  readonly To: string;
  readonly Cc?: string;
  readonly ReplyTo?: string;
  readonly Subject?: string;
  readonly TextBody?: string;
  readonly HtmlBody?: string;
  readonly Headers?: readonly { readonly Name: string; readonly Value: string }[];
  readonly Attachments?: readonly {
    readonly Name: string;
    readonly Content: string;
    readonly ContentType: string;
    readonly ContentID?: string;
  }[];
}

/** Postmark on loopback: a server with one inbound stream, and `POST /email`. */
export async function postmarkSimulator({
  port,
  token = 'server-token',
  rawEmail = true,
}: PostmarkOptions = {}): Promise<MailCloud> {
  const sent: SentMail[] = [];
  const inactive = new Set<string>();
  const caller = new Caller();
  let isRefusing = false;

  const routes = (api: Router) => {
    api.use((request, response, next) => {
      if (request.headers['x-postmark-server-token'] === token) return next();
      problem(response, 401, 10, 'The Server Token you provided in the request was invalid.');
    });
    api.get('/server', (_request, response) => {
      response.json({ ID: 1, Name: 'Simulated', RawEmailEnabled: rawEmail, InboundHash: 'hash' });
    });
    api.post('/email', async (request, response) => {
      const email = request.body as Email;
      const mail = await composed(email);
      if (isRefusing || mail.recipients.some((address) => inactive.has(address))) {
        isRefusing = false;
        problem(response, 422, 406, INACTIVE);
        return;
      }
      sent.push(mail);
      response.json({
        To: email.To,
        SubmittedAt: mail.at.toISOString(),
        MessageID: mail.id,
        ErrorCode: 0,
        Message: 'OK',
      });
    });
  };

  const server = await createSimulatorServer({
    name: 'postmark',
    port,
    description,
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
      const payload = await inboundPayload(raw, how, rawEmail && how.mode !== 'parsed');
      return caller.call(JSON_TYPE, Buffer.from(JSON.stringify(payload)));
    },
    report(mail: SentMail, kind: ReportKind) {
      if (kind !== 'delivered') for (const address of mail.recipients) inactive.add(address);
      return caller.call(JSON_TYPE, Buffer.from(JSON.stringify(reportOf(mail, kind))));
    },
  } satisfies Omit<MailCloud, keyof Simulator>);
  return cloud;
}

const JSON_TYPE = { 'content-type': 'application/json' };
const INACTIVE =
  'You tried to send to recipient(s) that have been marked as inactive. Found inactive addresses: ada@x.test.';

function problem(response: Response, status: number, code: number, message: string): void {
  response.status(status).json({ ErrorCode: code, Message: message });
}

function wording(kind: AnsweredFault, response: Response): void {
  const code = kind.startsWith('token') ? 10 : 0;
  response.json({ ErrorCode: code, Message: `Simulated: ${kind}.` });
}

/** What Postmark puts on its way: its own Message-ID, unless X-PM-KeepID asks for ours. */
async function composed(email: Email): Promise<SentMail> {
  const id = randomUUID();
  const headers = (email.Headers ?? []).map(({ Name, Value }) => [Name, Value] as const);
  const value = (name: string) =>
    headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? undefined;
  const keeps = value('x-pm-keepid') === 'true' && value('message-id') !== undefined;
  const own = /^(x-pm-.*|message-id|in-reply-to|references)$/i;
  const node = new MailComposer({
    from: email.From,
    to: email.To,
    cc: email.Cc,
    replyTo: email.ReplyTo,
    subject: email.Subject,
    text: email.TextBody,
    html: email.HtmlBody,
    messageId: keeps ? value('message-id')! : `<${id}@mtasv.net>`,
    inReplyTo: value('in-reply-to'),
    references: value('references'),
    headers: headers.filter(([key]) => !own.test(key)).map(([key, text]) => ({ key, value: text })),
    attachments: (email.Attachments ?? []).map((attachment) => ({
      filename: attachment.Name,
      content: Buffer.from(attachment.Content, 'base64'),
      contentType: attachment.ContentType,
      ...(attachment.ContentID && { cid: attachment.ContentID.replace(/^cid:/, '') }),
    })),
  }).compile();
  return { id, at: new Date(), recipients: node.getEnvelope().to, raw: await node.build() };
}

function reportOf(mail: SentMail, kind: ReportKind): object {
  const [recipient] = mail.recipients;
  const common = { MessageID: mail.id, ServerID: 1, MessageStream: 'outbound', Tag: '' };
  const at = new Date().toISOString();
  if (kind === 'delivered')
    return {
      RecordType: 'Delivery',
      ...common,
      Recipient: recipient,
      DeliveredAt: at,
      Details: '250 OK',
    };
  const isBounce = kind === 'bounced';
  return {
    RecordType: isBounce ? 'Bounce' : 'SpamComplaint',
    ...common,
    ID: 42,
    Type: isBounce ? 'HardBounce' : 'SpamComplaint',
    TypeCode: isBounce ? 1 : 512,
    Name: isBounce ? 'Hard bounce' : 'Spam complaint',
    Description: isBounce ? 'The server was unable to deliver your message.' : '',
    Details: isBounce ? 'smtp;550 5.1.1 user unknown' : '',
    Email: recipient,
    BouncedAt: at,
    DumpAvailable: true,
    Inactive: true,
    CanActivate: isBounce,
    Subject: 'Re: …',
  };
}
