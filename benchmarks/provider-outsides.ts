import { createGmailSimulator } from '../simulators/gmail/simulator.ts';
import { graphSimulator } from '../simulators/graph/simulator.ts';
import { dovecot } from '../tests/harness/dovecot.ts';
import { httpSink } from '../tests/harness/http-sink.ts';
import { clouds, type Cloud } from '../tests/integration/providers/mail-clouds/clouds.ts';

/** A vendor with mail for the product. */
export interface ProviderOutside {
  readonly settings: object;
  /** Mail that is there before the channel is made, and is read by it. */
  fill(mails: readonly Buffer[]): void;
  /** Mail that the vendor brings to the door; null where it is read. */
  readonly bring: ((mails: readonly Buffer[], door: string) => Promise<void>) | null;
  /** The vendor's own part alone: all mails given out to a bare client, or to a door that does nothing. */
  alone(mails: readonly Buffer[]): Promise<void>;
  /** Calls of the vendor's API so far; null where it has none. */
  calls(): number | null;
  close(): Promise<void>;
}

const ADDRESS = 'support@bench.test';
/** As many as the product asks Gmail and Graph at once. */
const READ_AT_ONCE = 4;
const BROUGHT_AT_ONCE = 8;

export const OUTSIDES: Readonly<Record<string, () => Promise<ProviderOutside>>> = {
  gmail,
  microsoft365,
  imap: () => mailServer('imap'),
  pop3: () => mailServer('pop3'),
  ...Object.fromEntries(clouds.map((cloud) => [cloud.name, () => mailCloud(cloud)])),
};

async function gmail(): Promise<ProviderOutside> {
  const simulator = await createGmailSimulator();
  const account = await simulator.account(ADDRESS);
  const ids: string[] = [];
  return {
    settings: simulator.settingsOf(account),
    fill: (mails) => ids.push(...mails.map((raw) => account.mailbox.deliver(raw).id)),
    bring: null,
    async alone() {
      const authorization = `Bearer ${await accessToken(`${simulator.url}/token`, {
        grant_type: 'refresh_token',
        refresh_token: account.refreshToken,
        client_id: simulator.consent.clientId,
        client_secret: simulator.consent.clientSecret,
      })}`;
      // A quota a second is part of the vendor; the bare client waits as told.
      await each(ids, READ_AT_ONCE, (id) =>
        read(`${simulator.url}/gmail/v1/users/me/messages/${id}?format=raw`, { authorization }),
      );
    },
    calls: () => simulator.requests.length,
    close: () => simulator.close(),
  };
}

async function microsoft365(): Promise<ProviderOutside> {
  const simulator = await graphSimulator();
  const ids: string[] = [];
  return {
    settings: simulator.application(ADDRESS),
    fill: (mails) => ids.push(...mails.map((raw) => simulator.deliver(ADDRESS, raw).immutableId)),
    bring: null,
    async alone() {
      const authorization = `Bearer ${await accessToken(
        `${simulator.url}/common${simulator.consent.paths.token}`,
        {
          grant_type: 'client_credentials',
          scope: 'https://graph.microsoft.com/.default',
          client_id: simulator.consent.clientId,
          client_secret: simulator.consent.clientSecret,
        },
      )}`;
      await each(ids, READ_AT_ONCE, (id) =>
        read(`${simulator.url}/v1.0/users/${ADDRESS}/messages/${encodeURIComponent(id)}/$value`, {
          authorization,
          prefer: 'IdType="ImmutableId"',
        }),
      );
    },
    calls: () => simulator.requests.length,
    close: () => simulator.close(),
  };
}

async function mailServer(protocol: 'imap' | 'pop3'): Promise<ProviderOutside> {
  const user = { username: ADDRESS, password: 'secret' };
  const server = await dovecot([user]);
  const port = server.ports[protocol];
  return {
    settings: { host: server.host, port, security: 'none', ...user },
    fill: (mails) => mails.forEach((raw) => server.deliver(ADDRESS, raw)),
    bring: null,
    alone: (mails) => readAll(protocol, port, user, mails.length),
    calls: () => null,
    close: () => server.stop(),
  };
}

async function mailCloud({ start, modes }: Cloud): Promise<ProviderOutside> {
  const { simulator, settings, doorUrl } = await start();
  const deliver = async (raw: Buffer) => {
    const { status, body } = await simulator.deliver(raw, { to: ADDRESS, mode: modes[0] });
    if (status >= 300) throw new Error(`The door answered ${status}: ${body}`);
  };
  const bring = async ([first, ...rest]: readonly Buffer[], door: string) => {
    simulator.connect(doorUrl(door));
    // The first by itself: SNS asks its door for a confirmation before it.
    if (first) await deliver(first);
    await each(rest, BROUGHT_AT_ONCE, deliver);
  };
  return {
    settings,
    fill: () => undefined,
    bring,
    async alone(mails) {
      const sink = await httpSink();
      await bring(mails, sink.url);
      await sink.close();
    },
    calls: () => simulator.requests.length,
    close: () => simulator.close(),
  };
}

async function each<T>(
  all: readonly T[],
  atOnce: number,
  work: (one: T) => Promise<void>,
): Promise<void> {
  const waiting = [...all];
  const lane = async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

async function accessToken(url: string, form: Record<string, string>): Promise<string> {
  const answer = await fetch(url, { method: 'POST', body: new URLSearchParams(form) });
  const { access_token: token } = (await answer.json()) as { access_token?: string }; // RFC 6749 §5.1
  if (token === undefined) throw new Error(`${url} answered ${answer.status} without a token.`);
  return token;
}

async function read(url: string, headers: Record<string, string>): Promise<void> {
  for (;;) {
    const answer = await fetch(url, { headers });
    await answer.arrayBuffer();
    if (answer.status !== 429 && answer.status !== 403) {
      if (!answer.ok) throw new Error(`${url} answered ${answer.status}.`);
      return;
    }
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** All mails of the INBOX by the bare library that the provider uses, too. */
async function readAll(
  protocol: 'imap' | 'pop3',
  port: number,
  { username, password }: { username: string; password: string },
  count: number,
): Promise<void> {
  if (protocol === 'imap') {
    const { ImapFlow } = await import('imapflow');
    const auth = { user: username, pass: password };
    const client = new ImapFlow({
      host: '127.0.0.1',
      port,
      secure: false,
      doSTARTTLS: false,
      auth,
      logger: false,
    });
    await client.connect();
    await client.mailboxOpen('INBOX');
    for await (const { source } of client.fetch('1:*', { source: true })) source?.at(0);
    await client.logout();
    return;
  }
  const { default: Pop3Command } = await import('node-pop3');
  const client = new Pop3Command({ host: '127.0.0.1', port, user: username, password });
  for (let number = 1; number <= count; number += 1) await client.RETR(number);
  await client.QUIT();
}
