import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { DoorReceipt, DoorRequest } from '../../../../providers/contract.ts';
import { endpoint } from '../../../../providers/ses/client.ts';
import { awsFailure } from '../../../../providers/ses/failure.ts';
import { ses } from '../../../../providers/ses/provider.ts';
import { isSnsAddress } from '../../../../providers/ses/signing-certificate.ts';
import { createLogger } from '../../../../telemetry/log.ts';
import { sesSimulator, type SesSimulator } from '../../../../simulators/ses/simulator.ts';
import { Topic } from '../../../../simulators/ses/sns.ts';
import { providerCall } from '../call.ts';
import { openDoor, posted, type OpenDoor } from './door.ts';

const ARN = 'arn:aws:sns:eu-west-1:123456789012:mail';
const settings = (more: object = {}) =>
  ses.manifest.settings.parse({ topic_arn: ARN, region: 'eu-west-1', ...more });
const KEY = { access_key_id: 'AKIDSIMULATED', secret_access_key: 'secret' };
const requestOf = (message: unknown, lateMs = 0) =>
  posted(
    { 'content-type': 'text/plain; charset=UTF-8' },
    JSON.stringify(message),
    new Date(Date.now() + lateMs),
  );

let simulator: SesSimulator;
beforeAll(async () => {
  simulator = await sesSimulator({ topicArn: ARN });
});
afterAll(() => simulator.close());
afterEach(() => simulator.faults.clear());

const callWith = (more: object = {}, call: object = {}) =>
  providerCall(settings({ base_url: simulator.url, ...more }), call);
const verify = async (request: DoorRequest, more?: object) =>
  ses.door!.verify(request, callWith(more), () => false);
const receive = (message: object, more?: object): Promise<DoorReceipt> =>
  ses.door!.receive(
    requestOf(simulator.topic.notification(simulator.url, message)),
    callWith(more),
  );

describe('a signature', () => {
  it.each(['1', '2'] as const)('of version %s is known by SNS’s certificate', async (version) => {
    const other = await sesSimulator({ topicArn: ARN, signatureVersion: version });
    const message = other.topic.notification(other.url, {}, 'Subject');
    const more = { base_url: other.url };
    await expect(verify(requestOf(message), more)).resolves.toBeUndefined();
    const forged = { ...message, Subject: undefined };
    await expect(verify(requestOf(forged), more)).rejects.toMatchObject({
      status: 401,
      code: 'ses.bad_signature',
    });
    await other.close();
  });

  it('is refused where another’s key made it', async () => {
    const message = new Topic(ARN, '2').notification(simulator.url, {}) as Record<string, string>;
    const SigningCertURL = simulator.url + simulator.topic.certificatePath;
    await expect(verify(requestOf({ ...message, SigningCertURL }))).rejects.toMatchObject({
      code: 'ses.bad_signature',
    });
  });

  it('is good for as long as SNS tries again, and no longer', async () => {
    const message = simulator.topic.notification(simulator.url, {});
    await expect(verify(requestOf(message, 60 * 60_000))).resolves.toBeUndefined();
    for (const late of [76 * 60_000, -6 * 60_000])
      await expect(verify(requestOf(message, late))).rejects.toMatchObject({
        status: 403,
        code: 'ses.stale',
      });
  });

  it('is of the topic that is set, or of the one for events', async () => {
    const message = simulator.topic.notification(simulator.url, {});
    const topics = { topic_arn: `${ARN}-2` };
    await expect(verify(requestOf(message), topics)).rejects.toMatchObject({
      code: 'ses.other_topic',
    });
    await expect(
      verify(requestOf(message), { ...topics, event_topic_arn: ARN }),
    ).resolves.toBeUndefined();
  });

  it('asks for the certificate once, whoever comes at the same time, and again after a fault', async () => {
    const other = await sesSimulator({ topicArn: ARN });
    const check = () =>
      verify(requestOf(other.topic.notification(other.url, {})), { base_url: other.url });
    other.faults.failNext({ kind: 'unavailable' });
    // Not a refusal: SNS is to call again.
    await expect(check()).rejects.toMatchObject({ name: 'ProviderFailure', class: 'retry' });
    await Promise.all(Array.from({ length: 5 }, check));
    await check();
    expect(other.requests.map(({ status }) => status)).toEqual([503, 200]);
    await other.close();
  });

  it.each([
    ['https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem', true],
    ['https://sim.example:8443/x.pem', true],
    ['http://sns.eu-west-1.amazonaws.com/x.pem', false],
    ['https://sns.us-east-1.amazonaws.com/x.pem', false],
    ['https://sns.eu-west-1.amazonaws.com.evil.example/x.pem', false],
    ['https://sns.eu-west-1.amazonaws.com:444/x.pem', false],
    ['https://user@sns.eu-west-1.amazonaws.com/x.pem', false],
    ['https://evil-bucket.s3.eu-west-1.amazonaws.com/x.pem', false],
    ['nonsense', false],
  ])('may name %s: %s', (url, isAllowed) => {
    const given = settings({ base_url: 'https://sim.example:8443' });
    expect(isSnsAddress(url, ARN, given)).toBe(isAllowed);
  });

  it('is looked for in China where the topic is there', () => {
    const arn = 'arn:aws-cn:sns:cn-north-1:123456789012:mail';
    const given = settings({ topic_arn: arn, region: 'cn-north-1' });
    expect(isSnsAddress('https://sns.cn-north-1.amazonaws.com.cn/x.pem', arn, given)).toBe(true);
    expect(endpoint(given, 'email')).toBe('https://email.cn-north-1.amazonaws.com.cn');
    expect(endpoint(settings(), 's3')).toBe('https://s3.eu-west-1.amazonaws.com');
  });
});

describe('a subscription', () => {
  let door: OpenDoor;
  const logLines: string[] = [];
  const log = createLogger('info', { write: (line) => void logLines.push(line) });
  beforeAll(async () => {
    door = await openDoor(ses, () => callWith({}, { log }));
    simulator.connect(door.url);
  });
  afterAll(() => door.close());

  it('is confirmed, and again without harm', async () => {
    simulator.topic.isConfirmed = false;
    await simulator.subscribe();
    await simulator.subscribe();
    expect(simulator.topic.isConfirmed).toBe(true);
    expect(door.receipts.slice(-2)).toEqual([{ sources: [] }, { sources: [] }]);
    expect(logLines.join('')).toContain('is confirmed');
  });

  it('is asked for again where SNS can’t be told just now', async () => {
    simulator.topic.isConfirmed = false;
    simulator.faults.failNext({ kind: 'unavailable', match: /^GET \/$/ });
    await expect(simulator.subscribe()).rejects.toThrow('answered 503');
    await simulator.subscribe();
    expect(simulator.topic.isConfirmed).toBe(true);
  });

  it('is confirmed at no other host than SNS’s', async () => {
    const other = await sesSimulator({ topicArn: ARN });
    const message = {
      ...simulator.topic.subscription(simulator.url),
      SubscribeURL: `${other.url}/`,
    };
    await expect(ses.door!.receive(requestOf(message), callWith())).rejects.toMatchObject({
      name: 'DoorRefusal',
      code: 'ses.foreign_url',
    });
    expect(other.requests).toEqual([]);
    await other.close();
  });

  it('that was ended is said in the log, and not made anew', async () => {
    const before = simulator.requests.length;
    const message = {
      ...simulator.topic.subscription(simulator.url),
      Type: 'UnsubscribeConfirmation',
    };
    const receipt = await ses.door!.receive(requestOf(message), callWith({}, { log }));
    expect(receipt).toEqual({ sources: [] });
    expect(simulator.requests).toHaveLength(before);
    expect(logLines.at(-1)).toContain('its subscription was ended');
  });
});

describe('a mail', () => {
  const received = (action: object, more: object = {}) => ({
    notificationType: 'Received',
    mail: { messageId: 'in-1', source: '' },
    receipt: {
      recipients: ['s@example.test'],
      spfVerdict: { status: 'PASS' },
      dmarcVerdict: { status: 'FAIL' },
      action,
    },
    ...more,
  });

  it('carries SES’s verdicts, and the null sender', async () => {
    const { sources } = await receive(
      received({ type: 'SNS', encoding: 'UTF8' }, { content: 'Subject: x\r\n\r\nx' }),
    );
    expect(sources).toMatchObject([
      {
        providerMessageId: 'in-1',
        envelope: { from: '', to: ['s@example.test'] },
        meta: { spf: 'PASS', dkim: null, dmarc: 'FAIL', spam: null, virus: null },
      },
    ]);
  });

  it.each(['a b/c+d=e&f#g.eml', 'Größe/ä%20ö', '日本'])(
    'is fetched from S3 under any key: %s',
    async (objectKey) => {
      simulator.objects.set(`bucket/${objectKey}`, Buffer.from('Subject: kept\r\n\r\nx'));
      const action = { type: 'S3', bucketName: 'bucket', objectKey };
      const { sources } = await receive(received(action), KEY);
      expect(String(sources[0]!.source)).toContain('Subject: kept');
      expect(simulator.violations).toEqual([]);
    },
  );

  it('is asked for again where S3 does not give it', async () => {
    const action = { type: 'S3', bucketName: 'bucket', objectKey: 'p/none' };
    await expect(receive(received(action), KEY)).rejects.toMatchObject({
      name: 'ProviderFailure',
      class: 'give_up',
      message: expect.stringContaining('The key does not exist'),
    });
    await expect(receive(received(action))).rejects.toMatchObject({ code: 'channel.no_api_key' });
  });

  it('is none where SES took another action, or only speaks', async () => {
    expect(await receive(received({ type: 'Lambda' }))).toEqual({ sources: [] });
    expect(await receive({ something: 'else' })).toEqual({ sources: [] });
    const words = {
      ...simulator.topic.notification(simulator.url, {}),
      Message: 'Successfully validated SNS topic for Amazon SES event publishing.',
    };
    expect(await ses.door!.receive(requestOf(words), callWith())).toEqual({ sources: [] });
  });
});

describe('a report', () => {
  const mail = {
    messageId: 'out-1',
    timestamp: '2026-11-20T10:00:00Z',
    destination: ['a@x.test', 'b@x.test'],
  };
  const bounce = (bounceType: string, action?: string) => ({
    mail,
    bounce: {
      bounceType,
      timestamp: '2026-11-20T10:00:01.000Z',
      bouncedRecipients: [
        { emailAddress: 'a@x.test', action, status: '4.4.7', diagnosticCode: 'smtp; for a@x.test' },
      ],
    },
  });

  it.each([
    ['notificationType', { ...bounce('Permanent', 'failed') }, ['bounced']],
    ['eventType', { ...bounce('Undetermined') }, ['failed']],
    ['eventType', { ...bounce('Transient', 'failed') }, ['failed']],
    // An answering machine.
    ['eventType', { ...bounce('Transient') }, []],
  ])('by %s of a bounce: %o', async (field, report, states) => {
    const { statuses } = await receive({ [field]: 'Bounce', ...report });
    expect(statuses!.map(({ status }) => status)).toEqual(states);
    for (const { of, detail } of statuses!) {
      expect(of).toEqual({ providerMessageId: 'out-1' });
      expect(detail).toBe('4.4.7 smtp; for [address]');
    }
  });

  it('speaks of each recipient', async () => {
    const delivery = { timestamp: '2026-11-20T10:00:02Z', recipients: mail.destination };
    const { statuses } = await receive({ eventType: 'Delivery', mail, delivery });
    expect(statuses).toMatchObject([
      { status: 'delivered', recipient: 'a@x.test', at: new Date('2026-11-20T10:00:02Z') },
      { status: 'delivered', recipient: 'b@x.test' },
    ]);
  });

  it.each([
    ['Reject', ['failed']],
    ['Rendering Failure', ['failed']],
    ['Send', []],
    ['DeliveryDelay', []],
    ['Open', []],
  ])('%s says %o', async (eventType, states) => {
    const { statuses } = await receive({ eventType, mail, reject: { reason: 'Bad content' } });
    expect(statuses!.map(({ status }) => status)).toEqual(states);
  });
});

describe('a refusal', () => {
  it.each([
    [400, 'MessageRejected', 'give_up', 'refused'],
    [400, 'MailFromDomainNotVerifiedException', 'give_up', 'sender_unverified'],
    [400, 'AccountSuspendedException', 'give_up', 'account_suspended'],
    [400, 'SendingPausedException', 'wait', 'sending_paused'],
    [429, 'TooManyRequestsException', 'wait', 'too_many_requests'],
    [400, 'ThrottlingException', 'wait', 'too_many_requests'],
    [403, 'AccessDeniedException', 'reauthenticate', 'not_permitted'],
    [403, 'SignatureDoesNotMatch', 'reauthenticate', 'login_refused'],
    [403, 'ExpiredTokenException', 'reauthenticate', 'login_refused'],
    [403, 'RequestTimeTooSkewed', 'retry', 'clock_differs'],
    [500, 'InternalFailure', 'retry', 'unavailable'],
  ])('%d %s is %s', async (status, type, kind, code) => {
    const failure = await awsFailure(callWith(), {
      status,
      headers: new Headers({ 'x-amzn-errortype': `${type}:http://internal.amazon.com/` }),
      body: Buffer.from('{"message": "words for ada@x.test"}'),
    });
    expect(failure).toMatchObject({ class: kind, code: `ses.${code}`, status });
    expect(failure.message).not.toContain('ada@');
  });

  it.each([
    [{ access_key_id: 'A' }],
    [{ secret_access_key: 'A' }],
    [{ topic_arn: 'arn:aws:sqs:eu-west-1:123456789012:mail' }],
    [{ region: 'eu-west-1.evil.example/' }],
  ])('meets settings such as %o', (more) => {
    const given = { topic_arn: ARN, region: 'eu-west-1', ...more };
    expect(ses.manifest.settings.safeParse(given).success).toBe(false);
  });
});
