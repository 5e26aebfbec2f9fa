import type { ChannelProvider } from '../../../../providers/contract.ts';
import { mailgun } from '../../../../providers/mailgun/provider.ts';
import { postmark } from '../../../../providers/postmark/provider.ts';
import { sendgrid } from '../../../../providers/sendgrid/provider.ts';
import { ses } from '../../../../providers/ses/provider.ts';
import type { DoorCall, MailCloud } from '../../../../simulators/mail-cloud.ts';
import { mailgunSimulator } from '../../../../simulators/mailgun/simulator.ts';
import { postmarkSimulator } from '../../../../simulators/postmark/simulator.ts';
import { sendgridSimulator } from '../../../../simulators/sendgrid/simulator.ts';
import { sesSimulator } from '../../../../simulators/ses/simulator.ts';

/** A vendor as the suites reach it. */
export interface Cloud {
  readonly name: string;
  readonly provider: ChannelProvider;
  readonly start: () => Promise<StartedCloud>;
  /** How the vendor can be set up to hand mail over. */
  readonly modes: readonly string[];
  /** The way in which it hands over large mail: SNS carries 256 KB. */
  readonly largeMode: string;
  /** A call with something of it changed, each of which must not be let in. */
  readonly altered: (call: DoorCall) => Readonly<Record<string, DoorCall>>;
  /** The status after which the vendor gives up a mail. */
  readonly finalStatus: 403 | 406;
  /** Whether our Message-ID stays on what is sent. */
  readonly keepsMessageId: boolean;
}

export interface StartedCloud {
  readonly simulator: MailCloud;
  readonly settings: object;
  /** Settings with a key that the vendor refuses. */
  readonly refused: object;
  /** Settings without what sending wants. */
  readonly keyless: object;
  /** The address that the vendor is given for the channel's door. */
  readonly doorUrl: (url: string) => string;
}

export const clouds: readonly Cloud[] = [
  {
    name: 'postmark',
    provider: postmark as unknown as ChannelProvider, // as registry.ts registers it
    modes: ['raw', 'parsed'],
    largeMode: 'raw',
    keepsMessageId: true,
    finalStatus: 403,
    async start() {
      const simulator = await postmarkSimulator();
      return startedWithKey(
        simulator,
        {
          basic_auth: { username: 'postmark', password: 'wörd:42' },
          api_key: 'server-token',
          base_url: simulator.url,
        },
        withLogin('postmark', 'wörd:42'),
      );
    },
    altered: otherLogins,
  },
  {
    name: 'mailgun',
    provider: mailgun as unknown as ChannelProvider, // as registry.ts registers it
    modes: ['mime', 'parsed', 'stored'],
    largeMode: 'mime',
    keepsMessageId: true,
    finalStatus: 406,
    async start() {
      const simulator = await mailgunSimulator();
      return startedWithKey(simulator, {
        signing_key: 'signing-key',
        api_key: 'key-mailgun',
        domain: 'mg.example.test',
        base_url: simulator.url,
      });
    },
    altered: ({ body, ...call }) => {
      const replaced = (pattern: RegExp, by: string) => ({
        ...call,
        body: Buffer.from(body.toString('latin1').replace(pattern, by), 'latin1'),
      });
      return {
        'another signature': replaced(/(?<=&signature=)./, 'g'),
        'another timestamp': replaced(/(?<=timestamp=)\d/, '9'),
        'another token': replaced(/(?<=token=)./, 'g'),
        'no signature': replaced(/&signature=[0-9a-f]+/, ''),
        'another recipient under the same token': replaced(/(?<=recipient=)support/, 'else'),
        'another subject under the same token': replaced(/(?<=&subject=)/, 'x'),
      };
    },
  },
  {
    name: 'sendgrid',
    provider: sendgrid as unknown as ChannelProvider, // as registry.ts registers it
    modes: ['raw', 'parsed'],
    largeMode: 'raw',
    keepsMessageId: true,
    finalStatus: 403,
    async start() {
      const simulator = await sendgridSimulator();
      return startedWithKey(simulator, {
        parse_public_key: simulator.parsePublicKey,
        event_public_key: simulator.eventPublicKey,
        api_key: 'SG.key',
        base_url: simulator.url,
      });
    },
    altered: (call) => {
      const signature = 'x-twilio-email-event-webhook-signature';
      const timestamp = 'x-twilio-email-event-webhook-timestamp';
      const given = call.headers[signature]!;
      const withHeaders = (more: Record<string, string>) => ({
        ...call,
        headers: { ...call.headers, ...more },
      });
      return {
        'no signature': withHeaders({ [signature]: '' }),
        'no timestamp': withHeaders({ [timestamp]: '' }),
        'another signature': withHeaders({ [signature]: given.replace(/^.{20}/, 'A'.repeat(20)) }),
        'a signature that is none': withHeaders({ [signature]: 'x' }),
        'another timestamp': withHeaders({
          [timestamp]: String(Number(call.headers[timestamp]) + 1),
        }),
        'another body': { ...call, body: Buffer.concat([call.body, Buffer.from(' ')]) },
      };
    },
  },
  {
    name: 'ses',
    provider: ses as unknown as ChannelProvider, // as registry.ts registers it
    modes: ['base64', 'utf8', 's3'],
    largeMode: 's3',
    keepsMessageId: false,
    finalStatus: 403,
    async start() {
      const simulator = await sesSimulator();
      const settings = {
        topic_arn: simulator.topic.arn,
        region: 'eu-west-1',
        access_key_id: 'AKIDSIMULATED',
        secret_access_key: 'secret',
        base_url: simulator.url,
      };
      return {
        simulator,
        settings,
        refused: { ...settings, secret_access_key: 'wrong' },
        keyless: { ...settings, access_key_id: undefined, secret_access_key: undefined },
        doorUrl: (url) => url,
      };
    },
    altered: ({ body, ...call }) => {
      const message = JSON.parse(body.toString()) as Record<string, string>;
      const withFields = (more: Record<string, string | undefined>) => ({
        ...call,
        body: Buffer.from(JSON.stringify({ ...message, ...more })),
      });
      return {
        'no signature': withFields({ Signature: undefined }),
        'another signature': withFields({ Signature: Buffer.alloc(256).toString('base64') }),
        'another hash': withFields({ SignatureVersion: '1' }),
        'another message': withFields({ Message: message['Message']!.replace('ada', 'eve') }),
        'another subject': withFields({ Subject: 'x' }),
        'no subject': withFields({ Subject: undefined }),
        'another id': withFields({ MessageId: 'x' }),
        'another topic': withFields({ TopicArn: `${message['TopicArn']}2` }),
        'another time': withFields({ Timestamp: new Date(0).toISOString() }),
        'another kind': withFields({
          Type: 'SubscriptionConfirmation',
          Token: 't',
          SubscribeURL: message['SigningCertURL'],
        }),
        'a certificate of another host': withFields({
          SigningCertURL: 'https://sns.eu-west-1.amazonaws.com.evil.example/x.pem',
        }),
        'no JSON': { ...call, body: Buffer.from('Type=Notification') },
      };
    },
  },
];

/** A vendor that is logged in to by one key. */
function startedWithKey(
  simulator: MailCloud,
  settings: { readonly api_key: string; readonly [setting: string]: unknown },
  doorUrl: StartedCloud['doorUrl'] = (url) => url,
): StartedCloud {
  return {
    simulator,
    settings,
    refused: { ...settings, api_key: `${settings.api_key}-wrong` },
    keyless: { ...settings, api_key: undefined },
    doorUrl,
  };
}

export function withLogin(username: string, password: string) {
  return (url: string): string => {
    const address = new URL(url);
    address.username = username;
    address.password = encodeURIComponent(password);
    return address.href;
  };
}

export function otherLogins(call: DoorCall): Record<string, DoorCall> {
  const as = (authorization: string) => ({ ...call, headers: { ...call.headers, authorization } });
  const basic = (login: string) => `Basic ${Buffer.from(login).toString('base64')}`;
  const { authorization: _, ...open } = call.headers;
  return {
    'no login': { ...call, headers: open },
    'a wrong password': as(basic('postmark:wrong')),
    'a wrong user': as(basic('nobody:wörd:42')),
    'an empty login': as(basic(':')),
    'another scheme': as('Bearer wörd:42'),
  };
}
