import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { FIRST_DELIVERY, generateMails } from '../generator/mails.ts';
import { describeWith, eventually } from '../harness/index.ts';
import { check, untilQuiet } from './checker.ts';
import { gatherEvidence } from './evidence.ts';
import { sendUntilAccepted, smtpDoor } from './senders.ts';
import {
  expectStatus,
  imapChannel,
  openWorld,
  setStage,
  smtpChannel,
  type World,
} from './stage.ts';

const MAILS = 120;

describeWith('dovecot', 'two at once', () => {
  let world: World;

  beforeAll(async () => {
    world = await openWorld(4);
  }, 240_000);

  afterAll(async () => {
    await world?.close();
  }, 240_000);

  it('two processes with all workers read one mailbox, nudged all the while, and make each mail one message', async () => {
    const second = await world.installation.secondWorker();
    const stage = await setStage(world, 11);
    const mails = [...generateMails({ seed: 11, count: MAILS, attachmentBytes: 10_000 })];
    const channel = await imapChannel(stage, FIRST_DELIVERY.toISOString().slice(0, 10));
    const put = ({ raw, deliveredAt }: (typeof mails)[number]) =>
      world.mailServer.deliver(channel.username, raw, { at: deliveredAt });
    mails.slice(0, MAILS / 2).forEach(put);
    const id = await channel.make();
    // Each nudge may start a sync on either of them while one is under way.
    for (const mail of mails.slice(MAILS / 2)) {
      put(mail);
      expectStatus(await stage.call('POST', `/v1/channels/${id}/sync`), 202);
    }
    const expected = {
      mails: mails.map(({ truth }) => ({ sha256: truth.sourceSha256, thread: truth.thread })),
      answers: [],
      targetSeconds: null,
    };
    expect(await untilQuiet(stage, expected, 120_000)).toEqual([]);
    const findings = await check(stage, expected, { at: Date.now(), stalledMs: 0 });
    expect(findings.faults).toEqual([]);
    await second.stop();
  }, 200_000);

  it('a mail to two of our addresses is two messages on one ticket, wherever its answer goes', async () => {
    const stage = await setStage(world, 12);
    const first = await smtpChannel(stage);
    const other = `sales-${first.address}`;
    expectStatus(
      await stage.call('POST', '/v1/channels', {
        provider: 'smtp',
        name: 'Sales',
        address: other,
        settings: {},
      }),
      201,
    );
    const head = `From: Ada <ada@customer.example>\r\nTo: <${first.address}>, <${other}>\r\n`;
    const opener = `${head}Subject: Both\r\nMessage-ID: <both@customer.example>\r\n\r\nTo both of you.\r\n`;
    const doors = [first.address, other].map((address) =>
      smtpDoor(world.installation.smtpPort, address),
    );
    // As two servers hand it over at once.
    await Promise.all(doors.map((door) => sendUntilAccepted(door, [Buffer.from(opener)])));
    await eventually(async () => {
      const { inbound, sources } = await gatherEvidence(stage);
      expect(sources.map(({ status }) => status)).toEqual(['ingested', 'ingested']);
      expect(inbound).toHaveLength(2);
    }, 90_000);
    const back = `${head}Subject: Re: Both\r\nMessage-ID: <back@customer.example>\r\nIn-Reply-To: <both@customer.example>\r\n\r\nAnd?\r\n`;
    await sendUntilAccepted(doors[1]!, [Buffer.from(back)]);
    await eventually(async () => {
      const { inbound, tickets } = await gatherEvidence(stage);
      expect(inbound).toHaveLength(3);
      expect(tickets).toHaveLength(1);
      expect(new Set(inbound.map(({ ticketId }) => ticketId)).size).toBe(1);
    }, 90_000);
  }, 240_000);
});
