import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { simpleParser } from 'mailparser';
import { gmail } from '../../../../providers/gmail/provider.ts';
import {
  createGmailSimulator,
  type GmailSimulator,
} from '../../../../simulators/gmail/simulator.ts';
import { outgoing } from '../outgoing.ts';
import { drain, gmailFixture, type Fixture, type GmailCall } from './fixture.ts';

jest.setTimeout(240_000);
const SEND = /POST .*\/messages\/send$/;

describe('an answer by Gmail', () => {
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

  const send = (call: GmailCall = at.call(), message = outgoing()) =>
    gmail.sender!.send(call, message, () => Promise.resolve());
  const found = (id = 'own.1@example.test') => gmail.mailbox!.findSent!(at.call(), id);

  it('goes out as it was composed, in the thread of the mail it answers', async () => {
    const question = at.account.mailbox.deliver(
      'Message-ID: <question@x.test>\r\nSubject: Größe 42\r\n\r\nHow large?\r\n',
    );
    const receipt = await send();
    const sent = at.account.mailbox.find(receipt.providerMessageId!)!;
    expect(sent.threadId).toBe(question.threadId);
    expect([...sent.labels]).toEqual(['SENT']);
    const mail = await simpleParser(sent.raw);
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
  });

  it('begins a thread where the mail it answers is not in the account, or its id can’t be asked for', async () => {
    expect((await send()).providerMessageId).not.toBeNull();
    const odd = { ...outgoing('own.2@example.test'), inReplyTo: 'a b"(c)@x.test' };
    expect((await send(at.call(), odd)).providerMessageId).not.toBeNull();
    expect(at.account.mailbox.sent).toHaveLength(2);
  });

  it('is no mail of a customer’s: the channel does not read it', async () => {
    const { cursor } = await drain(at.call(), null);
    await send();
    expect((await drain(at.call(), cursor)).items).toEqual([]);
  });

  it('is found by its Message-ID, and where Gmail gave it another, too', async () => {
    expect(await found()).toBe(false);
    expect(await send()).not.toHaveProperty('messageId');
    expect(await found()).toBe(true);
    at.account.rewritesMessageIds = true;
    const receipt = await send(at.call(), outgoing('own.2@example.test'));
    expect(receipt.messageId).toMatch(/@mail\.gmail\.com$/);
    expect(String(at.account.mailbox.sent[1])).toContain(`<${receipt.messageId}>`);
    expect(await found('own.2@example.test')).toBe(true);
    expect(await found('own.3@example.test')).toBe(false);
  });

  it('is uncertain where the answer is lost, and then found', async () => {
    simulator.faults.failNext({ kind: 'lost_answer', match: SEND });
    await expect(send()).rejects.toMatchObject({
      code: 'gmail.connection_lost',
      class: 'retry',
      uncertain: true,
    });
    expect(await found()).toBe(true);
  });

  it.each([
    ['reset', { class: 'retry', uncertain: true }],
    ['unavailable', { class: 'retry', uncertain: true, status: 503 }],
    ['server_error', { class: 'retry', uncertain: true, status: 500 }],
    ['hang', { class: 'retry', uncertain: true, code: 'gmail.timeout' }],
    ['too_many', { class: 'wait', uncertain: undefined, retryAfterMs: 1000 }],
  ] as const)('is met by %s as %o, and was not sent', async (kind, expected) => {
    simulator.faults.failNext({ kind, match: SEND });
    const timeoutMs = kind === 'hang' ? 2500 : 30_000;
    await expect(send(at.call({}, { timeoutMs }))).rejects.toMatchObject(expected);
    expect(await found()).toBe(false);
    expect(at.account.mailbox.sent).toEqual([]);
  });

  it('goes out once with another token where the first one is refused', async () => {
    let noted = 0;
    simulator.faults.failNext({ kind: 'token_expired', match: SEND });
    await gmail.sender!.send(at.call(), outgoing(), () => Promise.resolve(void noted++));
    expect(noted).toBe(1);
    expect(at.account.mailbox.sent).toHaveLength(1);
  });

  it('is refused for good where Gmail says so, without an address in the words', async () => {
    at.account.refuseSend = {
      status: 400,
      reason: 'invalidArgument',
      message: 'Invalid To header: ada@x.test',
    };
    const failure: unknown = await send().catch((error: unknown) => error);
    expect(failure).toMatchObject({ class: 'give_up', uncertain: undefined, status: 400 });
    expect((failure as Error).message).not.toContain('ada@');
  });

  it('is not sent where the consent covers reading alone, and a trial says so', async () => {
    const { mailbox } = at.account;
    const reading = await simulator.consent.grant(mailbox.address, [
      'https://www.googleapis.com/auth/gmail.readonly',
    ]);
    const call = at.call({ refresh_token: reading });
    await expect(send(call)).rejects.toMatchObject({
      code: 'gmail.not_permitted',
      class: 'reauthenticate',
    });
    expect(await gmail.validate!(call)).toMatchObject({
      ok: false,
      problems: [{ step: 'permission', detail: expect.stringContaining('gmail.send') }],
    });
  });

  it('is not begun by a cancelled call', async () => {
    const cancelled = AbortSignal.abort(new Error('cancelled'));
    await expect(send(at.call({}, { signal: cancelled }))).rejects.toThrow('cancelled');
    expect(at.account.mailbox.sent).toEqual([]);
  });
});
