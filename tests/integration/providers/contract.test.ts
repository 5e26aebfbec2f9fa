import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  jest,
} from '@jest/globals';
import { ProviderFailure } from '../../../domain/failure.ts';
import {
  DoorRefusal,
  type ChannelProvider,
  type DoorRequest,
  type FetchedItem,
} from '../../../providers/contract.ts';
import { providers } from '../../../providers/registry.ts';
import {
  describeWith,
  dovecot,
  smtpSink,
  type Dovecot,
  type SmtpSink,
} from '../../harness/index.ts';
import { providerCall } from './call.ts';
import { outgoing } from './outgoing.ts';

// What the core relies on, held by every registered provider for each capability it has. A new provider adds how to
// reach its outside here, and passes.

jest.setTimeout(60_000);
const withCapability = (capability: 'mailbox' | 'sender' | 'door') =>
  providers
    .filter((provider) => provider[capability] !== undefined)
    .map((provider) => [provider.manifest.name, provider as Required<ChannelProvider>] as const);

/** Settings of a channel that sends into the sink. */
const SENDERS: Record<string, (sink: SmtpSink) => object> = {
  imap: (sink) => ({
    host: '127.0.0.1',
    username: 'u',
    password: 'p',
    save_sent: false,
    smtp: plain(sink),
  }),
  smtp: (sink) => ({ smtp: plain(sink) }),
  mime: (sink) => ({ smtp: plain(sink) }),
};
const plain = ({ host, port }: SmtpSink) => ({ host, port, security: 'none' });

describe.each(withCapability('sender'))('%s as a sender', (name, { manifest, sender }) => {
  let sink: SmtpSink;
  beforeEach(async () => {
    sink = await smtpSink();
  });
  afterEach(() => sink.close());

  const send = (transmitting = async () => undefined as void) =>
    sender.send(
      providerCall(manifest.settings.parse(SENDERS[name]!(sink)), { timeoutMs: 10_000 }),
      outgoing(),
      transmitting,
    );

  it('calls `transmitting` once, before anything can be delivered', async () => {
    const deliveredBefore: number[] = [];
    const receipt = await send(async () => void deliveredBefore.push(sink.mails.length));
    expect(deliveredBefore).toEqual([0]);
    expect(sink.mails).toHaveLength(1);
    expect(receipt).toMatchObject({ response: expect.any(String) });
  });

  it('sends nothing where `transmitting` fails, and throws that error', async () => {
    const lost = new Error('lost the lease');
    await expect(send(() => Promise.reject(lost))).rejects.toBe(lost);
    expect(sink.mails).toEqual([]);
  });

  it('keeps the Message-ID at every attempt', async () => {
    await send();
    await send();
    for (const { raw } of sink.mails) expect(String(raw)).toContain('<own.1@example.test>');
  });

  it.each([
    [
      { kind: 'reject', at: 'rcpt', code: 550 },
      { class: 'give_up', uncertain: undefined },
    ],
    [
      { kind: 'reject', at: 'data', code: 451 },
      { class: 'wait', uncertain: undefined },
    ],
    [{ kind: 'drop' }, { class: 'retry', uncertain: undefined }],
    [{ kind: 'drop_after_data' }, { class: 'retry', uncertain: true }],
  ] as const)('classifies %o', async (fault, expected) => {
    sink.failNext(fault);
    const failure: unknown = await send().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ProviderFailure);
    expect(failure).toMatchObject(expected);
    expect((failure as ProviderFailure).message).not.toMatch(/ada@|bob@|Guten Tag/);
  });
});

describeWith('dovecot', 'mailboxes', () => {
  let server: Dovecot;
  let user = 0;
  const users = Array.from({ length: 20 }, (_, index) => ({
    username: `box${index}@example.test`,
    password: 'secret',
  }));
  beforeAll(async () => {
    server = await dovecot(users);
  });
  afterAll(() => server.stop());

  /** Settings of a mailbox that reads the user's INBOX. */
  const MAILBOXES: Record<string, (username: string, password?: string) => object> = {
    imap: (username, password = 'secret') => ({
      host: server.host,
      port: server.ports.imaps,
      ca: server.ca,
      username,
      password,
      import_since: '2020-01-01',
      batch_size: 3,
    }),
  };

  describe.each(withCapability('mailbox'))('%s', (name, { manifest, mailbox, validate }) => {
    let username: string;
    beforeEach(() => {
      username = users[user++]!.username;
      for (let n = 1; n <= 8; n++) server.deliver(username, `Subject: ${n}\r\n\r\nHello\r\n`);
    });

    const call = (password?: string, signal?: AbortSignal) =>
      providerCall(manifest.settings.parse(MAILBOXES[name]!(username, password)), {
        ...(signal && { signal }),
      });

    async function read(cursor: unknown) {
      const given = call();
      const [folder] = mailbox.folders(given.settings);
      const items: FetchedItem[] = [];
      const steps: { cursor: unknown; read: number }[] = [];
      for await (const batch of mailbox.fetch(given, folder!, cursor)) {
        items.push(...batch.items);
        steps.push({ cursor: JSON.parse(JSON.stringify(batch.cursor)), read: items.length });
        await batch.stored?.();
      }
      return { ids: items.map((item) => item.providerMessageId), items, steps };
    }

    it('reads everything once, oldest first, under ids that stay', async () => {
      const { ids, items } = await read(null);
      expect(
        items.map(({ source }) => /Subject: (\d)/.exec((source as Buffer).toString())![1]),
      ).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
      expect(new Set(ids).size).toBe(8);
      expect((await read(null)).ids).toEqual(ids);
    });

    it('goes on after any batch with exactly the rest, from a cursor that was kept as JSON', async () => {
      const { ids, steps } = await read(null);
      expect(steps.length).toBeGreaterThan(2);
      for (const { cursor, read: done } of steps)
        expect((await read(cursor)).ids).toEqual(ids.slice(done));
    });

    const { wait } = mailbox;
    (wait ? it : it.skip)(
      'waits for nothing where there is mail already, and else until it is told to stop',
      async () => {
        const { steps } = await read(null);
        const given = call();
        const [folder] = mailbox.folders(given.settings);
        const until = Date.now() + 20_000;
        expect(await wait!(given, folder!, steps[0]!.cursor, until)).toBe('mail');
        const stop = new AbortController();
        setTimeout(() => stop.abort(new Error('stopped')), 300);
        await expect(
          wait!(call(undefined, stop.signal), folder!, steps.at(-1)!.cursor, until),
        ).rejects.toThrow('stopped');
      },
    );

    it('reports refused credentials in a trial, and throws them classified in a sync', async () => {
      expect(await validate(call())).toMatchObject({ ok: true, problems: [] });
      const report = await validate(call('wrong'));
      expect(report).toMatchObject({ ok: false, problems: [{ step: 'login' }] });
      const given = call('wrong');
      const [folder] = mailbox.folders(given.settings);
      const sync = async () => {
        for await (const batch of mailbox.fetch(given, folder!, null)) expect(batch).toBeDefined();
      };
      await expect(sync()).rejects.toMatchObject({
        name: 'ProviderFailure',
        class: 'reauthenticate',
      });
    });
  });
});

describe.each(withCapability('door'))('%s as a door', (_name, { manifest, door }) => {
  const request = (authorization?: string): DoorRequest => ({
    method: 'POST',
    headers: { authorization },
    query: {},
    body: Buffer.from('Subject: x\r\n\r\nHello\r\n'),
    receivedAt: new Date(),
  });
  const verify = async (authorization?: string) =>
    door.verify(
      request(authorization),
      providerCall(manifest.settings.parse({})),
      (token) => token === 'right',
    );

  it('lets in what proves itself, and nothing else', async () => {
    await expect(verify('Bearer right')).resolves.toBeUndefined();
    for (const wrong of [undefined, '', 'Bearer wrong', 'right', 'Basic right'])
      await expect(verify(wrong)).rejects.toBeInstanceOf(DoorRefusal);
  });

  it('hands over the bytes as they came', async () => {
    const settings = manifest.settings.parse({});
    const { sources } = await door.receive(request(), providerCall(settings));
    expect(sources.map(({ source }) => String(source))).toEqual(['Subject: x\r\n\r\nHello\r\n']);
  });
});
