import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { describeWith, dovecot, eventually, type Dovecot } from '../../../harness/index.ts';
import { connectAccount } from '../faults/consenting.ts';
import { startProduct, type FaultChannel, type Product } from '../faults/product.ts';
import { oauthEnd, type OauthEnd } from '../oauth-end.ts';

jest.setTimeout(400_000);
const USER = 'box@example.test';

describeWith('dovecot', 'a POP3 channel by OAuth, through the whole product', () => {
  let product: Product;
  let end: OauthEnd;
  let server: Dovecot;
  let channel: FaultChannel;

  beforeAll(async () => {
    // One after the other: a simulator may be given the very port that the API is about to take.
    product = await startProduct();
    end = await oauthEnd([USER]);
    server = await dovecot([{ username: USER, password: 'another' }], {
      introspectionUrl: end.introspectionUrl,
    });
    const { authorize_url, ...oauth } = end.settings;
    channel = await product.channel('pop3', {
      host: server.host,
      port: server.ports.pop3s,
      ca: server.ca,
      username: USER,
      after: 'delete',
      import_since: '2020-01-01',
      poll_seconds: 10,
      oauth: {
        ...oauth,
        // What the gmail preset asks for by itself.
        authorize_url: `${authorize_url}?access_type=offline`,
        scope: `openid email ${oauth.scope}`,
      },
    });
  });
  afterAll(async () => {
    await product.stop();
    await server.stop();
    await end.close();
  });

  const deliver = (n: number) =>
    server.deliver(
      USER,
      `From: Ada <ada@x.test>\r\nTo: ${USER}\r\nMessage-ID: <${n}@x.test>\r\nSubject: mail-${n}\r\n\r\nHello ${n}\r\n`,
    );
  const received = (n: number) =>
    eventually(async () => {
      if ((await channel.received()).includes(`${n}@x.test`)) return;
      const said = [JSON.stringify(await channel.status()), server.logTail(20)];
      throw new Error(['It has not come. What is in the way:', ...said].join('\n'));
    }, 100_000);
  const state = (wanted: object) =>
    eventually(async () => expect(await channel.status()).toMatchObject(wanted), 60_000);

  const connect = () => connectAccount(product, channel);

  it('says that no account is connected, and reads once one is', async () => {
    deliver(1);
    await state({
      state: 'needs_attention',
      last_error: { detail: expect.stringContaining('Connect link') },
    });
    await connect();
    await received(1);
    await eventually(() => expect(server.stored(USER)).toEqual([]), 90_000);
  });

  it('renews tokens by itself', async () => {
    await state({ state: 'watching' });
    end.consent.expireAccessTokens();
    deliver(2);
    await channel.sync();
    await received(2);
    await state({ state: 'watching' });
  });

  it('42: stops with its reason where the consent is revoked, and goes on after a new one', async () => {
    await end.consent.revoke(USER);
    await channel.sync().catch(() => undefined);
    await state({
      state: 'needs_attention',
      last_error: { detail: expect.stringContaining('connect the account again') },
    });
    deliver(3); // none of the looks before, which may have been let in, finds it
    await channel.sync().catch(() => undefined);
    await state({ state: 'needs_attention' });
    expect(server.stored(USER)).toHaveLength(1);
    await connect();
    await received(3);
    expect(await channel.received()).toHaveLength(3);
    await state({ state: 'watching' });
  });
});
