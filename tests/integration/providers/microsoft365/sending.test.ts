import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { simpleParser } from 'mailparser';
import { ProviderFailure } from '../../../../domain/failure.ts';
import type { OutgoingMessage } from '../../../../providers/contract.ts';
import { microsoft365 } from '../../../../providers/microsoft365/provider.ts';
import { outgoing } from '../outgoing.ts';
import { asked, graphFixture, type Fixture, type Microsoft365Call } from './fixture.ts';

jest.setTimeout(240_000);
let given: Fixture;
beforeEach(async () => {
  given = await graphFixture();
});
afterEach(async () => {
  expect(given.simulator.violations).toEqual([]);
  await given.simulator.close();
});

const send = (message: OutgoingMessage = outgoing(), call: Microsoft365Call = given.call()) =>
  microsoft365.sender!.send(call, message, () => Promise.resolve());
const refusal = (sending: Promise<unknown>): Promise<ProviderFailure> =>
  sending.then(
    () => {
      throw new Error('it was sent');
    },
    (error: ProviderFailure) => error,
  );
const findSent = () => microsoft365.mailbox!.findSent!(given.call(), 'own.1@example.test');
const drafts = () => [...given.box.messages.values()].filter(({ isDraft }) => isDraft);

const attachment = (size: number, more: object = {}): OutgoingMessage['attachments'][number] => ({
  filename: `Größe ${size}.bin`,
  contentType: 'application/octet-stream',
  size,
  content: () =>
    Readable.from(
      (function* () {
        for (let left = size; left > 0; left -= 700_000)
          yield Buffer.alloc(Math.min(left, 700_000), left % 251);
      })(),
    ),
  ...more,
});

it('sends the mail whole, with its Message-ID and threading headers, from a draft', async () => {
  const receipt = await send();
  expect(given.simulator.sent()).toHaveLength(1);
  const [raw] = given.simulator.sent();
  // Mail-edge-case 40: MIME goes up with CRLF.
  expect(raw!.toString('latin1')).not.toMatch(/[^\r]\n/);
  const mail = await simpleParser(raw!);
  expect(mail).toMatchObject({
    messageId: '<own.1@example.test>',
    inReplyTo: '<question@x.test>',
    references: ['<first@x.test>', '<question@x.test>'],
    subject: 'Re: Größe 42',
    text: 'Guten Tag,\n\n.ein Punkt\n',
  });
  expect(mail.attachments.map(({ filename, size }) => [filename, size])).toEqual([
    ['Rechnung Ä.pdf', 300_000],
  ]);
  expect(given.box.message(receipt.providerMessageId!)).toMatchObject({ isDraft: false });
  expect(await findSent()).toBe(true);
});

describe('a Message-ID that Exchange replaces', () => {
  it('is put right while the mail is a draft', async () => {
    given.simulator.keepMessageIds('when_put');
    const receipt = await send();
    expect(receipt.messageId).toBeUndefined();
    expect((await simpleParser(given.simulator.sent()[0]!)).messageId).toBe('<own.1@example.test>');
    expect(await findSent()).toBe(true);
  });

  it('is told, where it can’t be, so that answers find their thread', async () => {
    given.simulator.keepMessageIds('never');
    const { messageId } = await send();
    expect((await simpleParser(given.simulator.sent()[0]!)).messageId).toBe(`<${messageId}>`);
  });
});

describe('an attachment that is too large for a MIME request', () => {
  it('goes by upload session, the headers stay, and no mail is held whole in a request', async () => {
    const large = attachment(9_500_000);
    const small = attachment(2_500_000, { contentId: 'image-1', inline: true });
    await send({ ...outgoing(), attachments: [large, small] });
    const mail = await simpleParser(given.simulator.sent()[0]!);
    expect(mail).toMatchObject({
      messageId: '<own.1@example.test>',
      inReplyTo: '<question@x.test>',
      references: ['<first@x.test>', '<question@x.test>'],
    });
    expect(mail.html).toContain('Guten Tag');
    for (const [index, wanted] of [large, small].entries()) {
      const got = mail.attachments[index]!;
      expect(got.filename).toBe(wanted.filename);
      const chunks = await wanted.content().toArray();
      expect(got.content.equals(Buffer.concat(chunks as Buffer[]))).toBe(true);
    }
    expect(mail.attachments[1]).toMatchObject({ contentId: '<image-1>' });
    expect(asked(given.simulator, /^PUT \/upload/)).toHaveLength(4);
  });

  it.each(['lost_answer', 'reset', 'server_error', 'too_many'] as const)(
    'arrives unharmed where a range meets %s',
    async (kind) => {
      given.simulator.faults.failNext({ kind, match: /^PUT \/upload/, retryAfterSeconds: 1 }, 2);
      const large = attachment(7_000_001);
      await send({ ...outgoing(), attachments: [large] });
      const mail = await simpleParser(given.simulator.sent()[0]!);
      const chunks = await large.content().toArray();
      expect(mail.attachments[0]!.content.equals(Buffer.concat(chunks as Buffer[]))).toBe(true);
    },
  );

  it.each([2_999_999, 3_000_000, 3_099_999, 3_100_001, 3_145_728, 4_194_304])(
    'of %i bytes finds its way',
    async (size) => {
      await send({ ...outgoing(), attachments: [attachment(size)] });
      const mail = await simpleParser(given.simulator.sent()[0]!);
      expect(mail.attachments.map((one) => one.size)).toEqual([size]);
    },
  );

  it('is uploaded into a new draft where an earlier attempt left half of one', async () => {
    const message = { ...outgoing(), attachments: [attachment(7_000_000)] };
    given.simulator.faults.failNext({ kind: 'server_error', match: /^PUT \/upload/ }, 100);
    const call = given.call({ max_retries: 0 });
    expect(await refusal(send(message, call))).toMatchObject({
      class: 'retry',
      uncertain: undefined,
    });
    expect(drafts()).toHaveLength(1);
    given.simulator.faults.clear();
    await send(message);
    expect(given.simulator.sent()).toHaveLength(1);
    expect(drafts()).toEqual([]);
    const mail = await simpleParser(given.simulator.sent()[0]!);
    expect(mail.attachments.map(({ size }) => size)).toEqual([7_000_000]);
  });

  it('is refused over 150 MB, before anything is sent', async () => {
    const message = { ...outgoing(), attachments: [attachment(151 * 1024 * 1024)] };
    expect(await refusal(send(message))).toMatchObject({
      code: 'microsoft365.too_large',
      class: 'give_up',
    });
    expect(given.simulator.sent()).toEqual([]);
  });
});

describe('a retry never doubles', () => {
  it('uses the draft that an earlier attempt left', async () => {
    const lost = new Error('lost the lease');
    const failing = microsoft365.sender!.send(given.call(), outgoing(), () => Promise.reject(lost));
    await expect(failing).rejects.toBe(lost);
    expect(await findSent()).toBe(false);
    await send();
    expect(asked(given.simulator, /^POST .*\/messages$/)).toHaveLength(1);
    expect(given.simulator.sent()).toHaveLength(1);
  });

  it('finds the draft whose making was answered by silence', async () => {
    given.simulator.faults.failNext({ kind: 'lost_answer', match: /^POST .*\/messages$/ });
    expect(await refusal(send())).toMatchObject({ class: 'retry', uncertain: undefined });
    await send();
    expect(given.simulator.sent()).toHaveLength(1);
    expect(drafts()).toEqual([]);
  });

  it('knows after a lost answer that the mail went out, and sends it no second time', async () => {
    given.simulator.faults.failNext({ kind: 'lost_answer', match: /\/send$/ });
    expect(await refusal(send())).toMatchObject({ class: 'retry', uncertain: true });
    expect(await findSent()).toBe(true);
    await send();
    expect(given.simulator.sent()).toHaveLength(1);
  });

  it('knows after a reset that it did not', async () => {
    given.simulator.faults.failNext({ kind: 'reset', match: /\/send$/ });
    expect(await refusal(send())).toMatchObject({ uncertain: true });
    expect(await findSent()).toBe(false);
    await send();
    expect(given.simulator.sent()).toHaveLength(1);
  });

  it('can’t know where there is neither a draft nor a mail sent', async () => {
    expect(await findSent()).toBeNull();
  });

  it('sends 25 mails once each where a fifth of all calls fail', async () => {
    given.simulator.faults.failSome(0.2, ['too_many', 'unavailable', 'server_error', 'lost_answer', 'reset', 'token_expired']); // prettier-ignore
    const call = given.call();
    for (let n = 1; n <= 25; n += 1) {
      const message = outgoing(`own.${n}@example.test`);
      for (let isSent = false; !isSent;) isSent = await attempt(call, message);
    }
    const ids = given.simulator
      .sent()
      .map((raw) => /Message-ID: <own\.(\d+)/i.exec(String(raw))![1]);
    expect(ids).toEqual(Array.from({ length: 25 }, (_, n) => String(n + 1)));
  });
});

/** As the core does it: an uncertain attempt is asked after before the next. */
async function attempt(call: Microsoft365Call, message: OutgoingMessage): Promise<boolean> {
  try {
    await send(message, call);
    return true;
  } catch (error) {
    if (!(error instanceof ProviderFailure)) throw error;
    if (error.uncertain !== true) return false;
    for (;;)
      try {
        return (await microsoft365.mailbox!.findSent!(call, message.messageId)) === true;
      } catch (failure) {
        if (!(failure instanceof ProviderFailure)) throw failure;
      }
  }
}

it('says which permission is missing', async () => {
  given.simulator.permissions.delete('Mail.Send');
  expect(await refusal(send())).toMatchObject({
    code: 'microsoft365.permission_missing',
    class: 'reauthenticate',
    uncertain: undefined,
    message: expect.stringContaining('Mail.Send'),
  });
  given.simulator.permissions.delete('Mail.ReadWrite');
  const other = outgoing('own.2@example.test');
  expect((await refusal(send(other))).message).toContain('Mail.ReadWrite');
});

it('sends nothing when it is cancelled before the draft is sent', async () => {
  const cancel = new AbortController();
  const message = {
    ...outgoing(),
    attachments: [
      attachment(300_000, {
        content: () =>
          Readable.from(
            (function* () {
              cancel.abort(new Error('cancelled'));
              yield Buffer.alloc(300_000);
            })(),
          ),
      }),
    ],
  };
  await expect(send(message, given.call({}, { signal: cancel.signal }))).rejects.toThrow(
    'cancelled',
  );
  expect(given.simulator.sent()).toEqual([]);
});
