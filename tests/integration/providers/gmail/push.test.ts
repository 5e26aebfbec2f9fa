import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { DoorRefusal, type DoorRequest } from '../../../../providers/contract.ts';
import { gmail } from '../../../../providers/gmail/provider.ts';
import {
  createGmailSimulator,
  type GmailSimulator,
} from '../../../../simulators/gmail/simulator.ts';
import type { Push } from '../../../../simulators/gmail/pubsub.ts';
import { httpSink } from '../../../harness/index.ts';
import { drain, gmailFixture, type Fixture } from './fixture.ts';

jest.setTimeout(240_000);
const TOPIC = 'projects/simulated/topics/gmail';
const SERVICE_ACCOUNT = 'push@simulated.iam.gserviceaccount.com';
const DOOR = 'https://postroom.example.test/ingress/gmail';
const WEEK_MS = 7 * 86_400_000;

describe('Gmail’s pushes', () => {
  let simulator: GmailSimulator;
  let at: Fixture;
  beforeAll(async () => {
    simulator = await createGmailSimulator();
  });
  afterAll(async () => {
    expect(simulator.violations).toEqual([]);
    await simulator.close();
  });
  beforeEach(async () => {
    simulator.faults.clear();
    at = await gmailFixture(simulator);
  });

  const watching = (more: object = {}) =>
    at.call({ pubsub_topic: TOPIC, push_service_account: SERVICE_ACCOUNT, ...more });
  const request = ({ headers, body }: Push): DoorRequest => ({
    method: 'POST',
    headers,
    query: {},
    body: Buffer.from(body),
    receivedAt: new Date(),
  });
  const push = (claims = {}) =>
    simulator.pubsub.pushFor(
      { endpoint: DOOR, audience: DOOR, serviceAccount: SERVICE_ACCOUNT },
      { emailAddress: 'Support@Gmail.test', historyId: '42' },
      claims,
    );
  const verify = async (given: DoorRequest, call = watching({ push_audience: DOOR })) => {
    try {
      await gmail.door!.verify(given, call, () => false);
      return 'let in';
    } catch (error) {
      if (!(error instanceof DoorRefusal)) throw error;
      return { status: error.status, code: error.code };
    }
  };

  // Edge case 41: watch expiry shown.
  it('41: are asked for with the channel’s labels, until the time that Gmail names', async () => {
    const before = Date.now();
    const watch = await gmail.mailbox!.renew!(watching());
    expect(watch!.expiresAt.getTime()).toBeGreaterThanOrEqual(before + WEEK_MS);
    expect(watch!.expiresAt.getTime()).toBeLessThan(Date.now() + WEEK_MS + 1000);
    expect(watch!.state).toMatchObject({ topic: TOPIC, labels: ['INBOX'] });
    expect(at.account.watch).toMatchObject({ topic: TOPIC, labelIds: ['INBOX'] });
    await gmail.mailbox!.release!(watching());
    expect(at.account.watch).toBeNull();
  });

  it('are not asked for where the settings want none', async () => {
    expect(await gmail.mailbox!.renew!(watching({ watch_enabled: false }))).toBeNull();
    expect(await gmail.mailbox!.renew!(at.call())).toBeNull();
    await gmail.mailbox!.release!(at.call());
    expect(at.account.watch).toBeNull();
  });

  it('go to another topic when the settings name one, and stop once where they are stopped twice', async () => {
    await gmail.mailbox!.renew!(watching());
    await gmail.mailbox!.renew!(watching({ pubsub_topic: `${TOPIC}-2` }));
    expect(at.account.watch?.topic).toBe(`${TOPIC}-2`);
    await gmail.mailbox!.release!(watching());
    await gmail.mailbox!.release!(watching());
    await simulator.consent.revoke(at.account.mailbox.address);
    await gmail.mailbox!.release!(watching());
  });

  it('say what to grant where the topic refuses Gmail', async () => {
    await expect(
      gmail.mailbox!.renew!(watching({ pubsub_topic: 'projects/p/topics/forbidden' })),
    ).rejects.toMatchObject({
      code: 'gmail.topic_refused',
      class: 'give_up',
      message: expect.stringContaining('gmail-api-push@system.gserviceaccount.com'),
    });
  });

  it('name the account they are for, however they are wrapped', async () => {
    const { accounts, receive } = gmail.door!;
    const wrapped = request(await push());
    const plain = {
      ...wrapped,
      body: Buffer.from('{"emailAddress":"a@gmail.test","historyId":7}'),
    };
    expect(accounts!(wrapped)).toEqual(['support@gmail.test']);
    expect(accounts!(plain)).toEqual(['a@gmail.test']);
    expect(await receive(wrapped, watching())).toEqual({ sources: [], news: 'mail' });
    for (const body of [
      '',
      'x',
      '[]',
      '{"message":{"data":"eA=="}}',
      '{"emailAddress":"a@b.test"}',
    ]) {
      const odd = { ...wrapped, body: Buffer.from(body) };
      expect(accounts!(odd)).toEqual([]);
      expect(await receive(odd, watching())).toEqual({ sources: [] });
    }
  });

  // Edge case 41: push with a wrong audience or an unsigned token refused with 401.
  it('41: are let in only with Google’s signature for this door and service account', async () => {
    const now = Math.floor(Date.now() / 1000);
    const good = await push();
    expect(await verify(request(good))).toBe('let in');
    // Pub/Sub's own default audience is the door's address.
    expect(await verify(request(good), { ...watching(), doorUrl: DOOR })).toBe('let in');
    const refused = async (claims: object) => verify(request(await push(claims)));
    expect(await refused({ aud: 'https://else.test' })).toEqual({ status: 401, code: 'wrong_aud' });
    expect(await refused({ iss: 'https://else.test' })).toEqual({ status: 401, code: 'wrong_iss' });
    expect(await refused({ exp: now - 120 })).toEqual({ status: 401, code: 'expired' });
    expect(await refused({ email: 'x@else.test' })).toEqual({ status: 401, code: 'wrong_account' });
    expect(await refused({ email_verified: false })).toMatchObject({ code: 'wrong_account' });
    const [head, claims] = good.headers.authorization!.split('.') as [string, string];
    const signed = (authorization: string | undefined) =>
      verify({ ...request(good), headers: { authorization } });
    expect(await signed(undefined)).toEqual({ status: 401, code: 'no_token' });
    expect(await signed(`${head}.${claims}.`)).toEqual({ status: 401, code: 'bad_signature' });
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    expect(await signed(`Bearer ${none}.${claims}.`)).toEqual({
      status: 401,
      code: 'bad_signature',
    });
    expect(await verify(request(good), watching())).toMatchObject({ code: 'not_configured' });
  });

  it('ask for Google’s keys once for many, and not at once again for a key that nobody knows', async () => {
    const keys = () => simulator.requests.filter(({ path }) => path === '/oauth2/v3/certs').length;
    await verify(request(await push()));
    const asked = keys();
    expect(asked).toBeLessThanOrEqual(1);
    const forged = Buffer.from('{"alg":"RS256","kid":"forged"}').toString('base64url');
    for (let n = 0; n < 5; n++) {
      const [, claims, signature] = (await push()).headers.authorization!.split('.');
      const authorization = `Bearer ${forged}.${claims}.${signature}`;
      expect(await verify({ ...request(await push()), headers: { authorization } })).toMatchObject({
        status: 401,
      });
    }
    // Once, where it was last asked long ago.
    expect(keys() - asked).toBeLessThanOrEqual(1);
  });

  it('come when mail does, and again until they are heard; heard twice they bring nothing twice', async () => {
    const sink = await httpSink();
    sink.answerNext({ status: 503 });
    simulator.pubsub.subscribe({ topic: `${TOPIC}-3`, endpoint: sink.url, audience: DOOR, serviceAccount: SERVICE_ACCOUNT }); // prettier-ignore
    const call = watching({ pubsub_topic: `${TOPIC}-3`, push_audience: DOOR });
    const { cursor } = await drain(call, null);
    await gmail.mailbox!.renew!(call);
    at.account.mailbox.deliver(at.mail(1));
    at.account.mailbox.deliver(at.mail(2), { labels: ['CATEGORY_SOCIAL'] }); // not watched
    await sink.waitFor(2);
    for (const { headers, body } of sink.requests) {
      const heard = {
        method: 'POST',
        headers,
        query: {},
        body: Buffer.from(body),
        receivedAt: new Date(),
      };
      expect(await verify(heard, call)).toBe('let in');
      expect(gmail.door!.accounts!(heard)).toEqual([at.account.mailbox.address]);
    }
    const read = await drain(call, cursor);
    expect(read.subjects).toEqual(['mail-1']);
    expect((await drain(call, read.cursor)).items).toEqual([]);
    at.account.watch = null;
    await sink.close();
  });

  const description = join(import.meta.dirname, '../../../../../shared/specs/pubsub.v1.json');
  (existsSync(description) ? it : it.skip)(
    'are Pub/Sub messages by Google’s description',
    async () => {
      const { components } = JSON.parse(readFileSync(description, 'utf8')) as {
        components: object;
      };
      const ajv = new Ajv2020({ strict: false, formats: { 'google-datetime': true, byte: true } });
      const isMessage = ajv.compile({ $ref: '#/components/schemas/PubsubMessage', components });
      const { message } = JSON.parse((await push()).body) as { message: unknown };
      expect([isMessage(message), isMessage.errors]).toEqual([true, null]);
    },
  );
});
