import { describe, expect, it } from '@jest/globals';
import { violations } from './invariants.ts';
import { mutations } from './mutations.ts';
import { SeededRandom } from './random.ts';
import { addFailure, describeReport, fuzz, fuzzedMail, type FuzzReport } from './run.ts';
import { seedMails } from './seeds.ts';
import { parseMail } from '../parse.ts';

// The same mails in every run; `npm run fuzz` takes others each time.
const seed = 20261121;

describe('altered mails', () => {
  it('are parsed in bounded time and memory, in good form', async () => {
    const options = { seed, seconds: 15, mails: 300, own: true };
    const report = await fuzz(options);
    console.log(describeReport(options, report));
    expect(report.failures).toEqual([]);
    expect(report.mails).toBeGreaterThan(5);
  }, 120_000);

  it('take no time over a header without a name that is folded without end', async () => {
    const mail = Buffer.from(`Subject: x\r\nnameless\r\n${' y\r\n'.repeat(150_000)}\r\ntext`);
    const start = process.cpuUsage();
    const { message } = await parseMail(mail, { receivedAt: new Date(0) });
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(6000);
    expect(message).toMatchObject({ subject: 'x', content: 'text' });
  });

  it('are made by their seed alone', () => {
    const seeds = seedMails(true);
    for (const one of [1, 77, seed]) {
      expect(fuzzedMail(one, seeds)).toEqual(fuzzedMail(one, seeds));
    }
  });

  it.each(Object.keys(mutations))('are read by the parser: %s', async (kind) => {
    const seeds = seedMails(true);
    const random = new SeededRandom(kind.length);
    const mail = mutations[kind]!(random.pick(seeds), random, random.pick(seeds));
    const start = process.cpuUsage();
    const parsed = await parseMail(mail, { receivedAt: new Date(0), keepContent: true });
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(15_000);
    expect(violations(parsed)).toEqual([]);
  });

  it('are known to break the rules where they do', async () => {
    const parsed = await parseMail(Buffer.from('Subject: x\r\n\r\ntext'), {
      receivedAt: new Date(0),
    });
    const broken = {
      ...parsed,
      message: {
        ...parsed.message,
        subject: 'a\r\nBcc: b',
        new_content: '',
        html: '<b onclick=x>y</b>',
        message_id: '<a b>',
      },
    };
    expect(violations(broken)).toHaveLength(4);
  });

  it('that fail alike are told once, with their number', () => {
    const one = { seed: 7, how: 'bits flipped', bytes: 9 };
    const worst = { ...one, milliseconds: 1 };
    const report: FuzzReport = { mails: 3, worst, memory: 0, failures: [] };
    for (const [at, what] of ['message id "a<"', 'message id "b>"', 'took 3717 ms'].entries())
      addFailure(report, { ...one, seed: 7 + at }, what);
    expect(report.failures.map(({ seed, times }) => [seed, times])).toEqual([
      [7, 2],
      [9, 1],
    ]);
    const told = describeReport({ seed: 7, seconds: 1, own: true }, report);
    expect(told).toContain('message id "a<", and 1 times more');
    expect(told).toContain('again: npm run fuzz -- --seed 9 --mails 1 --own');
  });
});
