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
import { NormalizedMessage } from '../../../domain/message.ts';
import { DoorRefusal, type DoorRequest, type FetchedItem } from '../../../providers/contract.ts';
import { describeWith } from '../../harness/index.ts';
import { providerCall } from './call.ts';
import { outgoing } from './outgoing.ts';
import type {
  ChatOutside,
  DoorOutside,
  MailboxAccount,
  MailboxOutside,
  OutsideChannel,
  SenderOutside,
  SendFault,
} from './outsides/contract.ts';
import { missingOutsides, providersWith, type ProviderWithOutside } from './outsides/of.ts';

// What the core relies on, held by every registered provider for each capability it has. A new provider adds how to
// reach its outside (outsides/<name>.ts), and passes.

jest.setTimeout(240_000);

it('knows how to reach the outside of every registered provider', () => {
  expect(missingOutsides()).toEqual([]);
});

function callTo({ provider }: ProviderWithOutside, channel: OutsideChannel, more: object = {}) {
  const settings = provider.manifest.settings.parse(channel.settings);
  return providerCall(settings, { timeoutMs: 10_000, ...channel.call, ...more });
}

describe.each(providersWith('sender'))('%s as a sender', (_name, known) => {
  const { sender } = known.provider;
  let outside: SenderOutside;
  let sentBefore = 0;
  beforeAll(async () => {
    outside = await known.outside.sender!();
  });
  afterAll(() => outside.close());
  beforeEach(() => {
    sentBefore = outside.sent().length;
  });

  const sent = () => outside.sent().slice(sentBefore);
  const send = (transmitting = async () => undefined as void) =>
    sender.send(callTo(known, outside), outside.message ?? outgoing(), transmitting);

  it('calls `transmitting` once, before anything can be delivered', async () => {
    const deliveredBefore: number[] = [];
    const receipt = await send(async () => void deliveredBefore.push(sent().length));
    expect(deliveredBefore).toEqual([0]);
    expect(sent()).toHaveLength(1);
    expect(receipt).toMatchObject({ response: expect.any(String) });
  });

  it('sends nothing where `transmitting` fails, and throws that error', async () => {
    const lost = new Error('lost the lease');
    await expect(send(() => Promise.reject(lost))).rejects.toBe(lost);
    expect(sent()).toEqual([]);
  });

  it('keeps the Message-ID at every attempt', async () => {
    await send();
    await send();
    for (const mail of sent()) expect(String(mail)).toContain('own.1@example.test');
  });

  const failureOf = async (fault: SendFault) => {
    outside.failNext(fault);
    const failure: unknown = await send().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ProviderFailure);
    expect((failure as ProviderFailure).message).not.toMatch(/ada@|bob@|Guten Tag/);
    return failure;
  };

  it.each([
    ['refused', { class: 'give_up', uncertain: undefined }],
    ['busy', { class: 'wait', uncertain: undefined }],
    ['lost', { class: 'retry', uncertain: undefined }],
  ] as const)('classifies a mail that is %s', async (fault, expected) => {
    expect(await failureOf(fault)).toMatchObject(expected);
    expect(sent()).toEqual([]);
  });

  it('is uncertain of a mail whose answer was lost, or settles it and sends nothing twice', async () => {
    if (outside.afterLostAnswer === 'uncertain') {
      expect(await failureOf('answer_lost')).toMatchObject({ class: 'retry', uncertain: true });
      return;
    }
    outside.failNext('answer_lost');
    await send().catch(() => send());
    expect(sent()).toHaveLength(1);
  });
});

for (const [name, known] of providersWith('mailbox')) {
  const { needs } = known.outside;
  const tests = () => holdMailbox(known);
  if (needs) describeWith(needs, `${name} as a mailbox`, tests);
  else describe(`${name} as a mailbox`, tests);
}

function holdMailbox(known: ProviderWithOutside): void {
  const { mailbox, validate } = known.provider;
  let outside: MailboxOutside;
  let account: MailboxAccount;
  beforeAll(async () => {
    outside = await known.outside.mailbox!();
  });
  afterAll(() => outside.close());
  beforeEach(async () => {
    account = await outside.account();
    for (let n = 1; n <= 8; n++)
      await account.deliver(`Subject: ${n}\r\nMessage-ID: <${n}@mail.test>\r\n\r\nHello\r\n`);
  });

  async function read(cursor: unknown) {
    const given = callTo(known, account);
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

  it('has nothing to say where nothing is new, and brings what came since', async () => {
    const { steps } = await read(null);
    const again = await read(steps.at(-1)!.cursor);
    expect(again.ids).toEqual([]);
    await account.deliver('Subject: 9\r\nMessage-ID: <9@mail.test>\r\n\r\nHello\r\n');
    const since = await read(again.steps.at(-1)?.cursor ?? steps.at(-1)!.cursor);
    expect(since.items.map(({ source }) => (source as Buffer).toString())).toEqual([
      expect.stringContaining('Subject: 9'),
    ]);
  });

  const { wait } = mailbox;
  (wait ? it : it.skip)(
    'waits for nothing where there is mail already, and else until it is told to stop',
    async () => {
      const { steps } = await read(null);
      const given = callTo(known, account);
      const [folder] = mailbox.folders(given.settings);
      const until = Date.now() + 20_000;
      expect(await wait!(given, folder!, steps[0]!.cursor, until)).toBe('mail');
      const stop = new AbortController();
      setTimeout(() => stop.abort(new Error('stopped')), 300);
      const stopping = callTo(known, account, { signal: stop.signal });
      await expect(wait!(stopping, folder!, steps.at(-1)!.cursor, until)).rejects.toThrow(
        'stopped',
      );
    },
  );

  it('reports refused credentials in a trial, and throws them classified in a sync', async () => {
    expect(await validate(callTo(known, account))).toMatchObject({ ok: true, problems: [] });
    const report = await validate(callTo(known, account.refused));
    expect(report).toMatchObject({ ok: false, problems: [{ step: 'login' }] });
    const given = callTo(known, account.refused);
    const [folder] = mailbox.folders(given.settings);
    const sync = async () => {
      for await (const batch of mailbox.fetch(given, folder!, null)) expect(batch).toBeDefined();
    };
    await expect(sync()).rejects.toMatchObject({
      name: 'ProviderFailure',
      class: 'reauthenticate',
    });
  });
}

describe.each(providersWith('door'))('%s as a door', (_name, known) => {
  const { door } = known.provider;
  const raw = Buffer.from(
    'From: Ada <ada@x.test>\r\nTo: support@example.test\r\nSubject: x\r\n\r\nHello\r\n',
  );
  let outside: DoorOutside;
  beforeAll(async () => {
    outside = await known.outside.door!();
  });
  afterAll(() => outside.close());

  const verify = async (request: Parameters<typeof door.verify>[0]) =>
    door.verify(request, callTo(known, outside), (token) => token === outside.token);

  it('lets in what proves itself, and nothing else', async () => {
    await expect(verify(await outside.authentic(raw))).resolves.toBeUndefined();
    const forged = Object.entries(await outside.forged(raw));
    expect(forged.length).toBeGreaterThan(0);
    for (const [what, request] of forged) {
      const answer: unknown = await verify(request).catch((error: unknown) => error);
      expect([what, answer]).toEqual([what, expect.any(DoorRefusal)]);
    }
  });

  it('hands over what came, as it came', async () => {
    const receipt = await door.receive(await outside.authentic(raw), callTo(known, outside));
    const { sources, news } = outside.brings(raw);
    expect(receipt.sources.map(({ source }) => String(source))).toEqual(sources.map(String));
    expect(receipt.news).toBe(news);
  });
});

describe.each(providersWith('chat'))('%s as a chat', (name, known) => {
  const { chat, door, manifest } = known.provider;
  const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
  let outside: ChatOutside;
  beforeEach(async () => {
    outside = await known.outside.chat!();
  });
  afterEach(() => outside.close());

  const call = () => callTo(known, outside);
  /** What a call brings, as it is read from its stored source: twice alike, as it is pure. */
  async function read(request: DoorRequest) {
    const { sources } = await door.receive(request, call());
    expect(sources).toHaveLength(1);
    const [{ source, meta, providerMessageId }] = sources as [(typeof sources)[number]];
    if (manifest.source === 'mime') throw new Error('A chat has a mapper of its own.');
    const again = {
      ...(JSON.parse(JSON.stringify(meta ?? {})) as object),
      receivedAt: new Date(0),
    };
    const one = manifest.source(source, again);
    expect(manifest.source(source, again)).toEqual(one);
    return { ...one, providerMessageId };
  }
  const fetched = async (media: Parameters<typeof chat.fetchMedia>[1]) => {
    const { content } = await chat.fetchMedia(call(), media);
    const chunks: Buffer[] = [];
    for await (const chunk of content as AsyncIterable<Buffer>) chunks.push(chunk);
    return Buffer.concat(chunks);
  };

  it('reads what a customer writes, in the form of all messages', async () => {
    const first = await read(await outside.writes({ text: 'Grüße 👋' }));
    expect(NormalizedMessage.parse(first.message)).toEqual(first.message);
    expect(first).toMatchObject({
      party: { address: outside.customer },
      message: { channel: name, direction: 'inbound', kind: 'message', content: 'Grüße 👋' },
      opensWindow: true,
      answers: [],
      media: [],
    });
    expect(first.providerMessageId).toEqual(expect.any(String));
    const second = await read(
      await outside.writes({ text: 'Well?', quotes: first.providerMessageId! }),
    );
    expect(second.answers).toEqual([first.providerMessageId]);
    expect(second.providerMessageId).not.toBe(first.providerMessageId);
  });

  it('tells what was sent beside us from what the customer wrote', async () => {
    const echo = await read(await outside.besides('We call you back.'));
    expect(echo).toMatchObject({
      party: { address: outside.customer },
      message: { direction: 'outbound', content: 'We call you back.', attachments: [] },
      opensWindow: false,
    });
  });

  it('fetches files; one that is gone is given up, and a bad line is tried again', async () => {
    const { media } = await read(await outside.writes({ file: png }));
    expect(media).toHaveLength(1);
    expect(await fetched(media[0]!)).toEqual(png);
    for (const fault of ['lost', 'busy'] as const) {
      outside.failNext(fault);
      const failure: unknown = await fetched(media[0]!).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(ProviderFailure);
      expect(['retry', 'wait']).toContain((failure as ProviderFailure).class);
    }
    expect(await fetched(media[0]!)).toEqual(png);
    outside.forgetFiles();
    await expect(fetched(media[0]!)).rejects.toMatchObject({ class: 'give_up' });
  });

  it('shows the customer what was read', async () => {
    const { providerMessageId } = await read(await outside.writes({ text: 'Hello' }));
    const message = { providerMessageId: providerMessageId!, address: outside.customer };
    await chat.markRead?.(call(), message);
    expect(outside.marked()).toBe(chat.markRead ? 1 : 0);
  });

  it('says what it takes, so that the rest is refused before it is queued', () => {
    const { text, attachments, interactive } = chat.limits;
    expect(text).toBeGreaterThan(0);
    expect(attachments).toBeGreaterThan(0);
    expect(new Set(interactive).size).toBe(interactive.length);
    const plain = { text: 'x'.repeat(text), attachments: 0, interactive: null, hasTemplate: false };
    expect(chat.unfit?.(plain) ?? null).toBeNull();
    const windowMs = chat.windowMs(call().settings);
    expect(windowMs).toBeGreaterThan(0);
    for (const longer of Object.values(chat.tags ?? {})) expect(longer).toBeGreaterThan(windowMs);
  });
});
