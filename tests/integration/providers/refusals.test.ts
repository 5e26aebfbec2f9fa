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
import {
  createGmailSimulator,
  type GmailSimulator,
  type SimulatedAccount,
} from '../../../simulators/gmail/simulator.ts';
import { metaSimulator, type MetaSimulator } from '../../../simulators/meta/simulator.ts';
import type { SimNumber, SimPage } from '../../../simulators/meta/world.ts';
import { eventually } from '../../harness/index.ts';
import { PNG } from '../../harness/png.ts';
import type { ShownMessage } from './faults/channel.ts';
import { connectAccount } from './faults/consenting.ts';
import { startProduct, type FaultChannel, type Product } from './faults/product.ts';

// A token dies while a channel is at work: its status says so at once, whoever met the refusal, and once.

jest.setTimeout(240_000);
const WAIT_MS = 60_000;
/** How soon a waiting answer looks whether it may go. */
const HELD_AGAIN_MS = 1_000;
let product: Product;

beforeAll(async () => {
  product = await startProduct({ heldAgainMs: HELD_AGAIN_MS });
});
afterAll(() => product.stop());

const showMessage = async (id: string) =>
  (await product.call('GET', `/v1/messages/${id}`)) as unknown as ShownMessage;
async function answer(question: string, text: string): Promise<string> {
  return String((await product.call('POST', `/v1/messages/${question}/reply`, { text })).id);
}

/** Of its trouble, in order: each once. An event shows a moment after it was written. */
const hasTold = ({ id }: FaultChannel, ...types: string[]) =>
  eventually(async () => {
    const { data } = (await product.call('GET', '/v1/events?limit=100')) as unknown as {
      data: { type: string; data: { channel?: { id: string } } }[];
    };
    const told = data.flatMap(({ type, data: { channel } }) => (channel?.id === id ? [type] : []));
    expect(told).toEqual(types);
  }, WAIT_MS);

const inState = (channel: FaultChannel, state: string) =>
  eventually(async () => expect(await channel.status()).toMatchObject({ state }), WAIT_MS);

describe.each(['whatsapp', 'messenger'])('%s', (provider) => {
  const ADA = provider === 'whatsapp' ? '+4915112345678' : '7001';
  let meta: MetaSimulator;
  let line: SimNumber | SimPage;
  let channel: FaultChannel;

  beforeEach(async () => {
    meta = await metaSimulator();
    line = provider === 'whatsapp' ? meta.number() : meta.page({ name: 'Shop' });
    // Nothing but what customers and agents do asks the vendor anything.
    const { business_account_id: _none, ...settings } = meta.settings(line) as Record<
      string,
      unknown
    >;
    const quiet = provider === 'messenger' ? { subscribe_page: false } : {};
    channel = await product.channel(provider, { ...settings, ...quiet });
    if (line.kind === 'page') line.fields.add('messages');
    await meta.connect(channel.doorUrl!, line.app);
    await inState(channel, 'watching');
  });
  afterEach(async () => {
    await channel.remove();
    await meta.close();
  });

  const FILE = { kind: 'image', bytes: PNG, contentType: 'image/png' } as const;
  const says = (text: string | null) =>
    line.kind === 'page'
      ? meta.says(line, { psid: ADA, name: 'Ada' }, text === null ? { files: [FILE] } : { text })
      : meta.writes(line, { phone: ADA, name: 'Ada' }, text === null ? { file: FILE } : { text });
  const question = async (text: string) => {
    const [message] = await channel.arrived(says(text));
    return message!.id;
  };
  const asked = () =>
    meta.requests.filter(({ method, path }) => method === 'POST' && /\/messages/.test(path)).length;

  it('a token that dies shows as an answer fails, over a restart, and its answers go out with the next', async () => {
    const id = await question('Where is my lamp?');
    line.token.state = 'revoked';
    const first = await answer(id, 'On its way.');
    await inState(channel, 'needs_attention');
    expect(await channel.status()).toMatchObject({
      detail: expect.stringMatching(/^Answers can’t be sent\. .*make a new one/),
      last_error: { type: expect.stringMatching(/token_(revoked|refused|expired)$/) },
    });
    expect(await product.call('GET', `/v1/channels/${channel.id}`)).toMatchObject({
      state: 'needs_attention',
    });

    const second = await answer(id, 'By Monday.');
    await product.restartWorkers();
    const other = await question('And my table?');
    const third = await answer(other, 'Tuesday.');
    await eventually(async () => {
      for (const one of [first, second, third])
        expect(await showMessage(one)).toMatchObject({ status: 'queued' });
      expect((await showMessage(first)).error).toMatchObject({
        code: expect.stringMatching(/token_/),
      });
    }, WAIT_MS);
    await channel.synced();
    expect(await channel.status()).toMatchObject({ state: 'needs_attention' });
    await hasTold(channel, 'channel.needs_attention');

    const before = asked();
    const token = meta.world.token(line.app, [...line.token.permissions]);
    Object.assign(line, { token }); // a page knows its own token only
    const name = line.kind === 'page' ? 'page_access_token' : 'access_token';
    await product.call('PATCH', `/v1/channels/${channel.id}`, {
      settings: { [name]: token.value },
    });
    await inState(channel, 'watching');
    await eventually(async () => {
      for (const one of [first, second, third])
        expect(['accepted', 'sent', 'delivered', 'read']).toContain(
          (await showMessage(one)).status,
        );
    }, WAIT_MS);
    expect(line.sent).toHaveLength(3);
    expect(before).toBeLessThan(6);
    await hasTold(channel, 'channel.needs_attention', 'channel.recovered');
  });

  // Messenger's files come by links that need no token.
  if (provider === 'whatsapp')
    it('a token that dies shows as a file can’t be fetched, and a good one fetches it', async () => {
      await question('Look:');
      line.token.state = 'expired';
      const mid = says(null);
      await inState(channel, 'needs_attention');
      await channel.synced();
      expect(await channel.status()).toMatchObject({
        state: 'needs_attention',
        detail: expect.stringMatching(/^Files that customers sent can’t be fetched\. .*expired/),
      });
      line.token.state = 'good';
      await channel.sync();
      await inState(channel, 'watching');
      await eventually(async () => {
        expect((await channel.message(mid)).attachments).toHaveLength(1);
      }, WAIT_MS);
      await hasTold(channel, 'channel.needs_attention', 'channel.recovered');
    });
});

describe('gmail', () => {
  let simulator: GmailSimulator;
  let account: SimulatedAccount;
  let channel: FaultChannel;

  beforeEach(async () => {
    simulator = await createGmailSimulator();
    account = await simulator.account('support@gmail.test');
  });
  afterEach(async () => {
    await channel.remove();
    await simulator.close();
  });

  /** Nothing is found by looking while the test runs. @param refreshToken default one with every right */
  async function connect(refreshToken?: string): Promise<void> {
    const lacking = refreshToken === undefined ? {} : { refresh_token: refreshToken };
    const quiet = { watch_enabled: false, poll_seconds: 86_400 };
    const settings = { ...simulator.settingsOf(account), ...quiet, ...lacking };
    channel = await product.channel('gmail', settings, 'support@gmail.test');
    await inState(channel, 'watching');
  }
  const deliver = (n: number) =>
    account.mailbox.deliver(
      `From: Ada <ada@x.test>\r\nTo: support@gmail.test\r\nMessage-ID: <${n}@x.test>\r\nSubject: Lamp\r\n\r\nWhere?\r\n`,
    );
  /** A mail comes in. @returns its message */
  async function question(): Promise<string> {
    deliver(1);
    await channel.sync();
    await eventually(async () => expect(await channel.received()).toEqual(['1@x.test']), WAIT_MS);
    const [mail] = await channel.messages();
    return mail!.id;
  }
  const isSent = (id: string) =>
    eventually(
      async () => expect(await showMessage(id)).toMatchObject({ status: 'sent' }),
      WAIT_MS,
    );

  it('a consent taken back shows as an answer fails, and a new one sends it', async () => {
    await connect();
    const mail = await question();
    await simulator.consent.revoke('support@gmail.test');
    const id = await answer(mail, 'On its way.');
    await inState(channel, 'needs_attention');
    await product.restartWorkers();
    await hasTold(channel, 'channel.needs_attention');

    await connectAccount(product, channel);
    await inState(channel, 'watching');
    await isSent(id);
    expect(account.mailbox.sent).toHaveLength(1);
    await hasTold(channel, 'channel.needs_attention', 'channel.recovered');
  });

  it('a right that only sending lacks stops no mail from coming in, and ends with a consent that has it', async () => {
    const scope = 'https://www.googleapis.com/auth/gmail.readonly';
    await connect(await simulator.consent.grant('support@gmail.test', [scope]));
    const id = await answer(await question(), 'On its way.');
    await inState(channel, 'needs_attention');
    deliver(2);
    await channel.synced();
    expect(await channel.received()).toContain('2@x.test');
    expect(await channel.status()).toMatchObject({
      state: 'needs_attention',
      detail: expect.stringMatching(/^Answers can’t be sent\./),
    });
    await hasTold(channel, 'channel.needs_attention');

    const { refresh_token } = simulator.settingsOf(account) as { refresh_token: string };
    await product.call('PATCH', `/v1/channels/${channel.id}`, { settings: { refresh_token } });
    await inState(channel, 'watching');
    await isSent(id);
  });
});
