import { randomBytes, randomUUID } from 'node:crypto';
import type { Request, Response, Router } from 'express';
import type { Simulator } from '../contract.ts';
import {
  Caller,
  envelopeOf,
  inPieces,
  mailCloudControls,
  type MailCloud,
  type ReportKind,
  type SentMail,
} from '../mail-cloud.ts';
import { createSimulatorServer, type AnsweredFault } from '../server.ts';
import { description } from './description.ts';
import { received, report, type SesMode } from './notifications.ts';
import { signatureProblem } from './signature-v4.ts';
import { Topic } from './sns.ts';

export interface SesOptions {
  readonly port?: number;
  readonly topicArn?: string;
  readonly accessKey?: { readonly id: string; readonly secret: string };
  /** What the topic signs by: SHA-1 or SHA-256. */
  readonly signatureVersion?: '1' | '2';
}

export interface SesSimulator extends MailCloud {
  readonly topic: Topic;
  /** SNS asks the door whether it wants the topic; done by itself before the first mail. */
  subscribe(): Promise<void>;
  /** SNS tells the door anything. */
  notify(message: object): ReturnType<MailCloud['deliver']>;
  /** Mail in the bucket, by "bucket/key". */
  readonly objects: Map<string, Buffer>;
}

interface Outbound {
  readonly Destination: { readonly ToAddresses: readonly string[] };
  readonly Content: { readonly Raw: { readonly Data: string } };
}

const DEFAULT_ARN = 'arn:aws:sns:eu-west-1:123456789012:support-mail';
const BUCKET = 'support-mail';

/** SES, its bucket in S3 and its topic in SNS, on loopback. */
export async function sesSimulator({
  port,
  topicArn = DEFAULT_ARN,
  accessKey = { id: 'AKIDSIMULATED', secret: 'secret' },
  signatureVersion = '2',
}: SesOptions = {}): Promise<SesSimulator> {
  const sent: SentMail[] = [];
  const objects = new Map<string, Buffer>();
  const topic = new Topic(topicArn, signatureVersion);
  const caller = new Caller();
  let isRefusing = false;

  const routes = (api: Router) => {
    api.get(topic.certificatePath, (_request, response) => {
      response.type('application/x-pem-file').send(topic.certificate);
    });
    api.get('/', (request, response) => {
      const isKnown = topic.confirm(request.query['TopicArn'], request.query['Token']);
      response
        .status(isKnown ? 200 : 400)
        .type('xml')
        .send('<ConfirmSubscriptionResponse/>');
    });
    api.use((request, response, next) => {
      const problem = signatureProblem(request, accessKey);
      if (problem === null) return next();
      awsError(response, 403, problem, 'The request signature or the key is not valid.');
    });
    api.get('/v2/email/account', (_request, response) => {
      response.json({ SendingEnabled: true, ProductionAccessEnabled: true });
    });
    api.post('/v2/email/outbound-emails', (request, response) => {
      if (isRefusing) {
        isRefusing = false;
        awsError(response, 400, 'MessageRejected', 'Email address is not verified: ada@x.test');
        return;
      }
      const mail = taken(request.body as Outbound);
      sent.push(mail);
      response.json({ MessageId: mail.id });
    });
    api.get('/:bucket/*key', (request: Request, response) => {
      const stored = objects.get(decodeURIComponent(request.path.slice(1)));
      if (stored) response.type('application/octet-stream').send(stored);
      else
        response
          .status(404)
          .type('xml')
          .send('<Error><Code>NoSuchKey</Code><Message>The key does not exist.</Message></Error>');
    });
  };

  const server = await createSimulatorServer({
    name: 'ses',
    port,
    description,
    routes,
    controls: (control) => mailCloudControls(control, () => cloud),
    wording,
  });

  const call = (message: object) =>
    caller.call(
      { 'content-type': 'text/plain; charset=UTF-8' },
      Buffer.from(JSON.stringify(message)),
    );
  const subscribe = async () => {
    const answer = await call(topic.subscription(server.url));
    if (!topic.isConfirmed)
      throw new Error(`The door did not confirm the subscription: it answered ${answer.status}.`);
  };
  const notify = async (message: object) => {
    if (!topic.isConfirmed) await subscribe();
    return call(topic.notification(server.url, message, 'Amazon SES Email Receipt Notification'));
  };

  const cloud: SesSimulator = Object.assign(server, {
    sent,
    topic,
    objects,
    subscribe,
    notify,
    calls: caller.calls,
    connect: (url: string) => caller.connect(url),
    refuseNext: () => {
      isRefusing = true;
    },
    async deliver(raw: Buffer, how = {}) {
      const mode = (how.mode ?? 'base64') as SesMode; // by the vendor's own words
      const stored = { bucket: BUCKET, key: `inbound/${randomBytes(20).toString('hex')}` };
      if (mode === 's3') objects.set(`${stored.bucket}/${stored.key}`, raw);
      const envelope = envelopeOf(await inPieces(raw), how);
      return notify(received(raw, mode, envelope, stored, topicArn));
    },
    report: (mail: SentMail, kind: ReportKind) => notify(report(mail, kind)),
  } satisfies Omit<SesSimulator, keyof Simulator>);
  return cloud;
}

function awsError(response: Response, status: number, type: string, message: string): void {
  response.status(status).set('x-amzn-ErrorType', `${type}:`).json({ message });
}

function wording(kind: AnsweredFault, response: Response): void {
  const types: Record<AnsweredFault, string> = {
    too_many: 'TooManyRequestsException',
    unavailable: 'ServiceUnavailable',
    server_error: 'InternalFailure',
    token_expired: 'ExpiredTokenException',
    token_revoked: 'UnrecognizedClientException',
  };
  // AWS refuses a key with 403.
  const status = kind.startsWith('token') ? 403 : response.statusCode;
  awsError(response, status, types[kind], `Simulated: ${kind}.`);
}

/** SES puts a Message-ID and a Date of its own in place of those that it is given. */
function taken({ Destination, Content }: Outbound): SentMail {
  const id = `${randomUUID()}-000000`;
  const submitted = Buffer.from(Content.Raw.Data, 'base64');
  const [head = '', ...body] = submitted.toString('latin1').split('\r\n\r\n');
  const kept = head.split(/\r\n(?![ \t])/).filter((line) => !/^(message-id|date):/i.test(line));
  const own = [`Message-ID: <${id}@eu-west-1.amazonses.com>`, `Date: ${new Date().toUTCString()}`];
  const raw = [[...own, ...kept].join('\r\n'), ...body].join('\r\n\r\n');
  return {
    id,
    at: new Date(),
    recipients: Destination.ToAddresses,
    raw: Buffer.from(raw, 'latin1'),
    submitted,
  };
}
