import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { FetchedItem } from '../../../providers/contract.ts';
import { findProvider } from '../../../providers/registry.ts';
import { describeWith, dovecot, smtpSink, type Dovecot } from '../../harness/index.ts';
import { providerCall } from './call.ts';
import { connectAccount, KeptHere, oauthEnd, type OauthEnd } from './oauth-end.ts';
import { outgoing } from './outgoing.ts';

jest.setTimeout(240_000);

// XOAUTH2 against a real Dovecot that asks a real OpenID provider about each token. Mail edge case 42.

const users = Array.from({ length: 40 }, (_, index) => `box${index}@example.test`);

describeWith('dovecot', 'OAuth', () => {
  let end: OauthEnd;
  let server: Dovecot;
  let count = 0;
  let user: string;
  beforeAll(async () => {
    end = await oauthEnd(users);
    server = await dovecot(
      users.map((username) => ({ username, password: 'another' })),
      { introspectionUrl: end.introspectionUrl },
    );
  });
  afterAll(async () => {
    await server.stop();
    await end.close();
  });
  beforeEach(() => {
    user = users[count++]!;
    for (const n of [1, 2]) server.deliver(user, `Subject: ${n}\r\n\r\nHello\r\n`);
  });

  describe.each([
    ['imap', 'imaps'],
    ['pop3', 'pop3s'],
  ] as const)('by %s', (name, port) => {
    const { manifest, mailbox, validate, sender, ...rest } = findProvider(name)!;

    const settings = (oauth: object = {}, more: object = {}) =>
      manifest.settings.parse({
        host: server.host,
        port: server.ports[port],
        ca: server.ca,
        username: user,
        import_since: '2020-01-01',
        oauth: { ...end.settings, ...oauth },
        ...more,
      });

    async function read(given: unknown, tokens: KeptHere, from: unknown = null) {
      const items: FetchedItem[] = [];
      let cursor = from;
      const call = providerCall(given, { tokens });
      for await (const batch of mailbox!.fetch(call, 'INBOX', from)) {
        items.push(...batch.items);
        cursor = batch.cursor;
      }
      const subjects = items.map(
        ({ source }) => /Subject: (\d+)/.exec((source as Buffer).toString())![1],
      );
      return { subjects, cursor };
    }

    async function connected(): Promise<KeptHere> {
      const tokens = new KeptHere();
      tokens.keep(await connectAccount(rest, settings(), null));
      return tokens;
    }

    it('reads with the tokens that a consent brought, and renews them by itself', async () => {
      const tokens = await connected();
      expect(tokens.access_).toMatchObject({ address: user, refreshToken: expect.any(String) });
      const { subjects, cursor } = await read(settings(), tokens);
      expect(subjects).toEqual(['1', '2']);
      const before = tokens.access_!.accessToken;
      end.consent.expireAccessTokens();
      server.deliver(user, 'Subject: 3\r\n\r\nHello\r\n');
      expect((await read(settings(), tokens, cursor)).subjects).toEqual(['3']);
      expect(tokens.refused).toEqual([before]);
      expect(await validate!(providerCall(settings(), { tokens }))).toMatchObject({ ok: true });
    });

    it('reads with a refresh token that was pasted', async () => {
      const given = settings({ refresh_token: await end.consent.grant(user) });
      expect((await read(given, new KeptHere())).subjects).toEqual(['1', '2']);
    });

    it('says that the consent was revoked, and goes on where it was after a new one', async () => {
      const tokens = await connected();
      const { cursor } = await read(settings(), tokens);
      await end.consent.revoke(user);
      server.deliver(user, 'Subject: 3\r\n\r\nHello\r\n');
      await expect(read(settings(), tokens, cursor)).rejects.toMatchObject({
        code: 'oauth.consent_revoked',
        class: 'reauthenticate',
      });
      expect(tokens.refused).toHaveLength(1);
      const report = await validate!(providerCall(settings(), { tokens }));
      expect(report.problems).toEqual([
        expect.objectContaining({ step: 'login', pointer: '/settings/oauth' }),
      ]);
      tokens.keep(await connectAccount(rest, settings(), null));
      expect((await read(settings(), tokens, cursor)).subjects).toEqual(['3']);
    });

    it('takes a pasted access token, and asks for a consent when it has expired', async () => {
      const { accessToken } = (await connected()).access_!;
      const given = settings({ access_token: accessToken });
      const tokens = new KeptHere();
      expect((await read(given, tokens)).subjects).toEqual(['1', '2']);
      end.consent.expireAccessTokens();
      await expect(read(given, tokens)).rejects.toMatchObject({
        code: 'oauth.token_expired',
        class: 'reauthenticate',
      });
    });

    it('asks for another consent where that of somebody else was given, after one renewal', async () => {
      const tokens = new KeptHere();
      tokens.keep(await connectAccount(rest, settings(), users.at(-1)!));
      await expect(read(settings(), tokens)).rejects.toMatchObject({
        code: 'oauth.login_refused',
        class: 'reauthenticate',
      });
      expect(tokens.refused).toHaveLength(1);
    });

    it('says which client it needs, and that a client is not accepted', async () => {
      await expect(
        read(settings({ client_secret: 'wrong', refresh_token: 'x' }), new KeptHere()),
      ).rejects.toMatchObject({ code: 'oauth.client_refused', class: 'reauthenticate' });
      await expect(read(settings(), new KeptHere())).rejects.toMatchObject({
        code: 'oauth.not_connected',
        class: 'reauthenticate',
      });
    });

    it('sends by the same tokens, renewed once where they are refused', async () => {
      const tokens = await connected();
      const sink = await smtpSink({
        tokenIsGood: async (username, token) =>
          (await end.consent.bearer(token))?.address === username,
      });
      try {
        const smtp = { host: sink.host, port: sink.port, security: 'none', oauth: true };
        const call = providerCall(
          settings({}, { smtp, ...(name === 'imap' && { save_sent: false }) }),
          {
            tokens,
          },
        );
        await sender!.send(call, outgoing(), async () => undefined);
        end.consent.expireAccessTokens();
        await sender!.send(call, outgoing(), async () => undefined);
        expect(sink.mails.map((mail) => mail.user)).toEqual([user, user]);
        expect(tokens.refused).toHaveLength(1);
        await end.consent.revoke(user);
        await expect(sender!.send(call, outgoing(), async () => undefined)).rejects.toMatchObject({
          code: 'oauth.consent_revoked',
        });
        expect(sink.mails).toHaveLength(2);
      } finally {
        await sink.close();
      }
    });

    it('still takes a password', async () => {
      const given = settings({}, { oauth: undefined, password: 'another' });
      expect((await read(given, new KeptHere())).subjects).toEqual(['1', '2']);
    });
  });
});
