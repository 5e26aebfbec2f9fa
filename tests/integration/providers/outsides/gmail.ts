import type { DoorRequest } from '../../../../providers/contract.ts';
import type { FaultKind } from '../../../../simulators/contract.ts';
import { ERRORS } from '../../../../simulators/gmail/answers.ts';
import { createGmailSimulator } from '../../../../simulators/gmail/simulator.ts';
import type { Outside } from './contract.ts';

const SEND = /POST .*\/messages\/send$/;
const SERVICE_ACCOUNT = 'push@project.iam.gserviceaccount.com';
const AUDIENCE = 'https://postroom.example.test/ingress/gmail';

export const outside: Outside = {
  async mailbox() {
    const simulator = await createGmailSimulator();
    let accounts = 0;
    return {
      async account() {
        const account = await simulator.account(`box${++accounts}@gmail.test`);
        const settings = {
          ...simulator.settingsOf(account),
          import_since: '2020-01-01',
          batch_size: 3,
        };
        return {
          settings,
          refused: { settings: { ...settings, refresh_token: 'revoked' } },
          deliver: (raw) => void account.mailbox.deliver(raw),
        };
      },
      close: () => simulator.close(),
    };
  },

  async sender() {
    const simulator = await createGmailSimulator();
    const account = await simulator.account('support@gmail.test');
    const fail = (kind: FaultKind, match: RegExp, times = 1) =>
      simulator.faults.failNext({ kind, match }, times);
    return {
      settings: simulator.settingsOf(account),
      sent: () => account.mailbox.sent,
      failNext(fault) {
        if (fault === 'refused') account.refuseSend = ERRORS.recipient;
        else if (fault === 'busy') fail('too_many', SEND);
        else if (fault === 'answer_lost') fail('lost_answer', SEND);
        // Its thread is looked up first: a connection that is lost there has sent nothing, at none of the tries.
        else fail('reset', /GET .*\/messages$/, 5);
      },
      afterLostAnswer: 'uncertain',
      close: () => simulator.close(),
    };
  },

  async door() {
    const simulator = await createGmailSimulator();
    const { pubsub } = simulator;
    const subscription = {
      endpoint: AUDIENCE,
      audience: AUDIENCE,
      serviceAccount: SERVICE_ACCOUNT,
    };
    const notification = { emailAddress: 'support@gmail.test', historyId: '1234' };
    const push = async (claims = {}): Promise<DoorRequest> => {
      const { headers, body } = await pubsub.pushFor(subscription, notification, claims);
      return {
        method: 'POST',
        headers,
        query: {},
        body: Buffer.from(body),
        receivedAt: new Date(),
      };
    };
    const authorized = async (authorization: string | undefined) => ({
      ...(await push()),
      headers: { authorization },
    });
    const now = Math.floor(Date.now() / 1000);
    return {
      settings: {
        base_url: simulator.url,
        pubsub_topic: 'projects/simulated/topics/gmail',
        push_audience: AUDIENCE,
        push_service_account: SERVICE_ACCOUNT,
      },
      authentic: () => push(),
      forged: async () => {
        const token = String((await push()).headers.authorization);
        const [head, claims] = token.split('.') as [string, string];
        const none = Buffer.from('{"alg":"none"}').toString('base64url');
        return {
          'no token': await authorized(undefined),
          'an empty token': await authorized('Bearer '),
          'no token at all': await authorized('Bearer right'),
          'another scheme': await authorized(token.replace('Bearer', 'Basic')),
          'no signature': await authorized(`${head}.${claims}.`),
          'a token that says it needs none': await authorized(`Bearer ${none}.${claims}.`),
          'an altered signature': await authorized(`${head}.${claims}.${'A'.repeat(342)}`),
          'another audience': await push({ aud: 'https://else.example.test' }),
          'another issuer': await push({ iss: 'https://else.example.test' }),
          'another service account': await push({ email: 'else@project.iam.gserviceaccount.com' }),
          'an unverified service account': await push({ email_verified: false }),
          'a token that has ended': await push({ iat: now - 7200, exp: now - 3600 }),
        };
      },
      brings: () => ({ sources: [], news: 'mail' }),
      close: () => simulator.close(),
    };
  },
};
