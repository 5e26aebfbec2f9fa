import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { ProviderFailure } from '../../../../domain/failure.ts';
import { parseMail } from '../../../../domain/mail/parse.ts';
import type { DoorReceipt, OutgoingMessage } from '../../../../providers/contract.ts';
import { repeat } from '../../../../simulators/mail-cloud.ts';
import { providerCall } from '../call.ts';
import { outgoing } from '../outgoing.ts';
import { clouds, type StartedCloud } from './clouds.ts';
import { openDoor, type OpenDoor } from './door.ts';
import { bounceMail, oddMails, sha256, whole, wholeMail } from './mails.ts';

// What is the same for every vendor whose mail comes by a webhook and leaves by an API: our real provider against the
// vendor's simulator, which holds each request against the vendor's description.

describe.each(clouds.map((cloud) => [cloud.name, cloud] as const))('%s', (_name, cloud) => {
  const { provider } = cloud;
  let started: StartedCloud;
  let door: OpenDoor;
  let more: object;

  beforeAll(async () => {
    started = await cloud.start();
    door = await openDoor(provider, () => callWith(more));
    started.simulator.connect(started.doorUrl(door.url));
  });
  afterAll(async () => {
    await door.close();
    await started.simulator.close();
  });
  more = {};
  afterEach(() => {
    more = {};
    started.simulator.faults.clear();
    expect(started.simulator.violations).toEqual([]);
  });

  const callWith = (settings: object, call: object = {}) =>
    providerCall(provider.manifest.settings.parse({ ...started.settings, ...settings }), call);
  const received = async (raw: Buffer, mode: string): Promise<DoorReceipt> => {
    const answer = await started.simulator.deliver(raw, { mode });
    expect(answer).toMatchObject({ status: 200 });
    return door.receipts.at(-1)!;
  };
  const parsed = async ({ sources: [source] }: DoorReceipt) =>
    parseMail(source!.source, {
      receivedAt: new Date(),
      ...(source!.envelope && { envelope: source!.envelope }),
    });

  describe.each(cloud.modes)('mail that comes in %s', (mode) => {
    it('is whole: names, both texts, attachments, threading', async () => {
      const raw = await wholeMail();
      const receipt = await received(raw, mode);
      expect(receipt.sources).toHaveLength(1);
      // Only what the vendor takes apart is put together again.
      expect(receipt.sources[0]!.source.equals(raw)).toBe(mode !== 'parsed');
      expect(receipt.sources[0]!.envelope).toEqual({
        from: 'ada@x.test',
        to: ['support+42@example.test'],
      });
      const { message } = await parsed(receipt);
      expect(message).toMatchObject({
        kind: 'message',
        priority: 'high',
        sender: { name: 'Ada Łovelace, Dr.', address: 'ada@x.test' },
        to: [{ name: 'Support', address: 'support+42@example.test' }],
        cc: [{ address: 'bob@x.test' }],
        subject: 'Größe 42: 見積もり',
        content: 'Grüße aus 東京.\nZweite Zeile.',
        html: expect.stringContaining('Grüße aus <b>東京</b>'),
        message_id: 'question@x.test',
        in_reply_to: ['ours.1@example.test'],
        references: ['first@x.test', 'ours.1@example.test'],
        timestamp: '2026-11-20T10:00:00.000Z',
      });
      const files = message.attachments.map((attachment) => ({
        name: attachment.filename,
        type: attachment.content_type,
        inline: attachment.inline,
        sha256: attachment.sha256,
      }));
      expect(files).toHaveLength(2);
      expect(files).toEqual(
        expect.arrayContaining([
          {
            name: 'Rechnung Ä 10€.pdf',
            type: 'application/pdf',
            inline: false,
            sha256: whole.attachments[0],
          },
          { name: 'logo.png', type: 'image/png', inline: true, sha256: whole.attachments[1] },
        ]),
      );
    });

    it('is the same source under the same id when the vendor calls again', async () => {
      const first = await received(await wholeMail('again@x.test'), mode);
      const answer = await repeat(started.simulator.calls.at(-1)!);
      expect(answer.status).toBe(200);
      const [again] = door.receipts.at(-1)!.sources;
      const [before] = first.sources;
      expect(before!.providerMessageId).toEqual(expect.any(String));
      expect(again!.providerMessageId).toBe(before!.providerMessageId);
      expect(again!.source.equals(before!.source)).toBe(true);
    });

    it('is a bounce where it is one', async () => {
      const { message } = await parsed(await received(bounceMail, mode));
      expect(message).toMatchObject({
        kind: 'bounce',
        bounce: {
          recipients: [{ address: 'gone@x.test', status: '5.1.1', permanent: true }],
          original_message_id: 'own.1@example.test',
        },
      });
    });

    it('is judged as if it had come over SMTP: forwards, trackers, lists (edge cases 14, 16, 31)', async () => {
      for (const raw of oddMails) {
        const direct = await parseMail(raw, { receivedAt: new Date() });
        const cloudy = await parsed(await received(raw, mode));
        const judged = ({ message, threading, loopHeaders, automatic }: typeof direct) => ({
          kind: message.kind,
          from: message.from,
          replyTo: message.reply_to,
          subject: message.subject,
          content: message.content,
          references: message.references,
          inReplyTo: message.in_reply_to,
          authentication: message.authentication,
          messageIds: [threading.messageId],
          loopHeaders,
          automatic,
        });
        expect(judged(cloudy)).toEqual(judged(direct));
      }
    });

    it('is a mail of plain text without more', async () => {
      const raw = Buffer.from(
        'From: ada@x.test\r\nTo: support@example.test\r\nSubject: Hi\r\nMessage-ID: <p@x.test>\r\n\r\nHello\r\n',
      );
      const { message } = await parsed(await received(raw, mode));
      expect(message).toMatchObject({ subject: 'Hi', content: 'Hello', html: null });
      expect(message.attachments).toEqual([]);
    });
  });

  it('lets in nothing that is unsigned or altered', async () => {
    await received(await wholeMail('altered@x.test'), cloud.modes[0]!);
    const [receipts, refusals] = [door.receipts.length, door.refusals.length];
    const attempts = Object.entries(cloud.altered(started.simulator.calls.at(-1)!));
    for (const [what, call] of attempts) {
      const { status } = await repeat(call);
      expect([what, [401, 403].includes(status)]).toEqual([what, true]);
    }
    expect(door.receipts).toHaveLength(receipts);
    expect(door.refusals).toHaveLength(refusals + attempts.length);
  });

  it('takes only mail to the allowed addresses, where some are set', async () => {
    more = { allowed_addresses: ['other@example.test'] };
    const answer = await started.simulator.deliver(await wholeMail());
    expect(answer.status).toBe(cloud.finalStatus);
    expect(door.refusals.at(-1)).toMatch(/address_refused$/);
    more = { allowed_addresses: ['Support@Example.test'] };
    expect((await started.simulator.deliver(await wholeMail())).status).toBe(200);
  });

  const send = (
    settings: object = {},
    message: OutgoingMessage = outgoing(),
    transmitting = async () => undefined as void,
    call: object = {},
  ) => provider.sender!.send(callWith(settings, call), message, transmitting);

  it('sends the answer whole, threaded by its headers', async () => {
    const receipt = await send();
    const mail = started.simulator.sent.at(-1)!;
    expect(receipt.providerMessageId).toBe(mail.id);
    expect(mail.recipients).toEqual(['ada@x.test', 'bob@x.test']);
    const { message } = await parseMail(mail.raw, { receivedAt: new Date() });
    expect(message).toMatchObject({
      sender: { name: 'Support', address: 'support@example.test' },
      reply_to: [{ address: 'support+1@example.test' }],
      to: [{ name: 'Ada', address: 'ada@x.test' }],
      cc: [{ address: 'bob@x.test' }],
      subject: 'Re: Größe 42',
      content: expect.stringContaining('Guten Tag,'),
      html: expect.stringContaining('<b>Guten Tag</b>'),
      in_reply_to: ['question@x.test'],
      references: ['first@x.test', 'question@x.test'],
    });
    // Where it is another's, the receipt tells it.
    expect(message.message_id).toBe(receipt.messageId ?? 'own.1@example.test');
    expect(receipt.messageId === undefined).toBe(cloud.keepsMessageId);
    const content = Buffer.concat([Buffer.alloc(150_000, 1), Buffer.alloc(150_000, 2)]);
    expect(message.attachments).toMatchObject([
      { filename: 'Rechnung Ä.pdf', content_type: 'application/pdf', sha256: sha256(content) },
    ]);
  });

  it('marks what no person wrote', async () => {
    await send(
      {},
      { ...outgoing('auto@example.test'), automatic: true, html: null, attachments: [] },
    );
    expect(started.simulator.sent.at(-1)!.raw.toString()).toMatch(/^Auto-Submitted: auto-replied/m);
  });

  it.each(['delivered', 'bounced', 'complained'] as const)(
    'tells that an answer was %s',
    async (kind) => {
      const to = [{ name: '', address: `${kind}@x.test` }];
      const messageId = `${kind}.1@example.test`;
      const { providerMessageId } = await send({}, { ...outgoing(messageId), to, cc: [] });
      expect((await started.simulator.report(started.simulator.sent.at(-1)!, kind)).status).toBe(
        200,
      );
      const { sources, statuses } = door.receipts.at(-1)!;
      expect(sources).toEqual([]);
      expect(statuses).toHaveLength(1);
      const [status] = statuses!;
      expect(status).toMatchObject({ status: kind, recipient: `${kind}@x.test` });
      expect(status!.at).toBeInstanceOf(Date);
      expect([{ providerMessageId }, { messageId }]).toContainEqual(status!.of);
      expect(status!.detail ?? '').not.toContain('@');
    },
  );

  const failureOf = async (sending: Promise<unknown>) =>
    (await sending.then(
      () => null,
      (error: unknown) => error,
    )) as ProviderFailure | null;

  it('gives up what the vendor refuses, in its words and without its addresses', async () => {
    started.simulator.refuseNext();
    const failure = await failureOf(send());
    expect(failure).toMatchObject({ class: 'give_up', uncertain: undefined });
    expect(failure!.message).toMatch(/It says: ".{10,}"/);
    expect(failure!.message).not.toContain('@');
  });

  it.each([
    ['too_many', { class: 'wait', status: 429, retryAfterMs: 7000 }],
    ['unavailable', { class: 'retry', status: 503 }],
    ['server_error', { class: 'retry', status: 500 }],
    ['token_revoked', { class: 'reauthenticate' }],
    ['lost_answer', { class: 'retry', uncertain: true }],
    ['reset', { class: 'retry', uncertain: true }],
  ] as const)('classifies a send that meets %s', async (kind, expected) => {
    const before = started.simulator.sent.length;
    started.simulator.faults.failNext({ kind, retryAfterSeconds: 7 });
    const failure = await failureOf(send());
    expect(failure).toMatchObject({ name: 'ProviderFailure', ...expected });
    expect(failure!.code).toMatch(new RegExp(`^${cloud.name}\\.`));
    expect(started.simulator.sent).toHaveLength(before + (kind === 'lost_answer' ? 1 : 0));
    if (!('uncertain' in expected)) expect(failure!.uncertain).toBeUndefined();
  });

  it('is uncertain of an answer that never came in time', async () => {
    started.simulator.faults.failNext({ kind: 'hang' });
    const failure = await failureOf(send({}, outgoing(), async () => {}, { timeoutMs: 2000 }));
    expect(failure).toMatchObject({ class: 'retry', uncertain: true });
  });

  it('is sure that nothing was sent where there was no connection', async () => {
    const failure = await failureOf(send({ base_url: 'http://127.0.0.1:9' }));
    // Port 9 is one that is never called; an unused one is refused by the system.
    expect(failure).toMatchObject({ class: 'give_up', uncertain: undefined });
    const closed = await openDoor(provider, () => callWith({}));
    await closed.close();
    expect(await failureOf(send({ base_url: closed.url }))).toMatchObject({
      class: 'retry',
      uncertain: undefined,
    });
  });

  it('says that it can’t send without a key, and tries the key that it has', async () => {
    expect(await provider.validate!(callWith({}))).toMatchObject({ ok: true, problems: [] });
    const wrong = await provider.validate!(callWith(started.refused));
    expect(wrong).toMatchObject({ ok: false, problems: [{ step: 'login' }] });
    started.simulator.faults.failNext({ kind: 'unavailable' });
    expect(await provider.validate!(callWith({}))).toMatchObject({
      ok: false,
      problems: [{ step: 'host' }],
    });
    expect(await failureOf(send(started.refused))).toMatchObject({ class: 'reauthenticate' });
    expect(await provider.validate!(callWith(started.keyless))).toMatchObject({
      ok: true,
      warnings: expect.arrayContaining([expect.stringContaining('answers can’t be sent')]),
    });
    expect(await failureOf(send(started.keyless))).toMatchObject({
      code: 'channel.no_api_key',
      class: 'give_up',
    });
  });
});
