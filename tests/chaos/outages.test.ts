import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { FIRST_DELIVERY, generateMails, type GeneratedMail } from '../generator/mails.ts';
import { describeWith, eventually } from '../harness/index.ts';
import { check, untilQuiet } from './checker.ts';
import { gatherEvidence } from './evidence.ts';
import { smallDisk } from './small-disk.ts';
import { expectingAtDoor, onTheWire, type Expected } from './moments.ts';
import { httpDoor, sendUntilAccepted, smtpDoor, type Door, type DoorAnswer } from './senders.ts';
import {
  expectStatus,
  imapChannel,
  mimeChannel,
  openWorld,
  setStage,
  smtpChannel,
  type Stage,
  type World,
} from './stage.ts';

/** `npm run chaos -- --outage 600` stays away for ten minutes. */
const AWAY_MS = 20_000;
const MAILS = 20;

describeWith('dovecot', 'a server is away for a while', () => {
  let world: World;

  beforeAll(async () => {
    world = await openWorld(4);
  }, 240_000);

  afterAll(async () => {
    await world?.close();
  }, 240_000);

  it('Postgres away: the doors say later, /readyz names it, and all comes back by itself', async () => {
    const { installation } = world;
    const { services } = installation;
    const stage = await setStage(world, 21);
    const doors = await bothDoors(stage);
    const mails = [...generateMails({ seed: 21, count: MAILS, attachmentBytes: 5_000 })];
    const box = await imapChannel(stage, FIRST_DELIVERY.toISOString().slice(0, 10));
    await box.make();

    await services.postgres.kill();
    const sending = doors.map((door, at) => sendUntilAccepted(door, of(mails, at).map(onTheWire)));
    const boxed = [...generateMails({ seed: 22, count: 5 })];
    for (const { raw, deliveredAt } of boxed)
      world.mailServer.deliver(box.username, raw, { at: deliveredAt });
    await eventually(async () => {
      expect(missing(await installation.readiness('api'))).toEqual(['database']);
      expect(missing(await installation.readiness('worker'))).toEqual(['database']);
    }, 90_000);
    await sleep(AWAY_MS);
    await services.postgres.start();
    await installation.ready();

    const [bySmtp, byHttp] = await Promise.all(sending);
    expect(refusals(bySmtp!)).toEqual([451]);
    expect(refusals(byHttp!)).toEqual([503]);
    expect(byHttp!.every(({ status, retryAfter }) => status !== 503 || retryAfter !== null)).toBe(
      true,
    );
    await expectAll(stage, [...mails, ...boxed], expectingAtDoorAndBox(mails, boxed));
    expect(restarts(world)).toBe(0);
  }, 240_000);

  it('Temporal away: the doors go on accepting, the API says which part is away, and all catches up', async () => {
    const { installation } = world;
    const { services } = installation;
    const stage = await setStage(world, 31);
    const doors = await bothDoors(stage);
    const [first, ...mails] = generateMails({ seed: 31, count: MAILS + 1, attachmentBytes: 5_000 });
    await sendUntilAccepted(doors[0]!, [onTheWire(first!)]);
    await eventually(async () => {
      expect((await gatherEvidence(stage)).tickets).toHaveLength(1);
    }, 90_000);

    await services.temporal.kill();
    const began = Date.now();
    const answers = await Promise.all(
      doors.map((door, at) => sendUntilAccepted(door, of(mails, at).map(onTheWire))),
    );
    expect(answers.flatMap(refusals)).toEqual([]);
    expect(Date.now() - began).toBeLessThan(MAILS * 2_000);
    await eventually(async () => {
      expect(missing(await installation.readiness('api'))).toEqual(['temporal']);
      expect(missing(await installation.readiness('worker'))).toEqual(['temporal']);
    }, 90_000);
    expectStatus(await stage.call('GET', '/v1/tickets'), 200);
    await sleep(Math.max(0, began + AWAY_MS - Date.now()));
    await services.temporal.start();
    await installation.ready();

    await expectAll(stage, [first!, ...mails], expectingAtDoor([first!, ...mails]));
    expect(restarts(world)).toBe(0);
  }, 240_000);
});

const disk = smallDisk(300);

(disk === null ? describe.skip : describe)('the disk of Postgres is full', () => {
  let world: World;

  beforeAll(async () => {
    world = await openWorld(1, {
      postgresHome: disk!.folder,
      postgresSettings: { max_wal_size: '64MB', wal_keep_size: '0' },
    });
  }, 240_000);

  afterAll(async () => {
    await world?.close();
    disk?.remove();
  }, 240_000);

  it('the doors say later, nothing accepted is lost, and it goes on once there is room', async () => {
    const { installation } = world;
    const stage = await setStage(world, 41);
    const doors = await bothDoors(stage);
    const mails = [...generateMails({ seed: 41, count: 60, attachmentBytes: 400_000 })];
    const sending: Promise<DoorAnswer[]>[] = [];
    disk!.fill();
    for (const [at, door] of doors.entries())
      sending.push(sendUntilAccepted(door, of(mails, at).map(onTheWire)));
    await eventually(async () => {
      expect(missing(await installation.readiness('api'))).toEqual(['database']);
    }, 90_000);
    await sleep(5_000);
    disk!.free();
    const [bySmtp, byHttp] = await Promise.all(sending);
    await installation.ready();
    expect(refusals(bySmtp!)).toEqual([451]);
    expect(refusals(byHttp!)).toEqual([503]);
    await expectAll(stage, mails, expectingAtDoor(mails));
  }, 240_000);
});

async function bothDoors(stage: Stage): Promise<Door[]> {
  const { address } = await smtpChannel(stage);
  const { url, token } = await mimeChannel(stage, `http-${address}`);
  return [smtpDoor(stage.installation.smtpPort, address), httpDoor(url, token)];
}

/** Conversations whole and in order, since order between two doors is nobody's. */
function of(mails: readonly GeneratedMail[], door: number): GeneratedMail[] {
  const threads = [...new Set(mails.map(({ truth }) => truth.thread))];
  return mails.filter(({ truth }) => threads.indexOf(truth.thread) % 2 === door);
}

function expectingAtDoorAndBox(
  atDoor: readonly GeneratedMail[],
  boxed: readonly GeneratedMail[],
): Expected {
  const inBox = boxed.map(({ truth }) => ({
    sha256: truth.sourceSha256,
    thread: truth.thread && `box ${truth.thread}`,
  }));
  const expected = expectingAtDoor(atDoor);
  return { ...expected, mails: [...expected.mails, ...inBox] };
}

async function expectAll(
  stage: Stage,
  mails: readonly GeneratedMail[],
  expected: Expected,
): Promise<void> {
  expect(expected.mails).toHaveLength(mails.length);
  expect(await untilQuiet(stage, expected, 150_000)).toEqual([]);
  expect((await check(stage, expected, { at: Date.now(), stalledMs: 0 })).faults).toEqual([]);
}

function missing({ parts }: { parts: readonly { name: string; ok: boolean }[] }): string[] {
  return parts.filter(({ ok }) => !ok).map(({ name }) => name);
}

/** Codes other than yes, each once; a connection that was cut is no answer. */
function refusals(answers: readonly DoorAnswer[]): number[] {
  const codes = answers.map(({ status }) => status).filter((code) => code !== 0);
  return [...new Set(codes)].filter((code) => code >= 300);
}

function restarts({ installation }: World): number {
  return Object.values(installation.services).reduce((sum, one) => sum + one.restarts, 0);
}
