import { generateMails } from '../tests/generator/mails.ts';
import { dovecot, type Dovecot, type DovecotUser } from '../tests/harness/dovecot.ts';
import type { Benchmark, BenchmarkOptions, Figure } from './contract.ts';
import { addChannel, deliverAll, importMailbox, untilWatching } from './import.ts';
import { describeRun } from './mailbox.ts';
import { openStage, type Product, type Stage } from './stage.ts';
import { cpuBetween, cpuOf, memoryOf, withoutDovecot } from './usage.ts';

const SMALL_FILES = 20 * 1024;
const MAILBOXES = 100;
const MAILS_EACH = 20;
/** Of a thousand mails: what may differ by noise alone. */
const FLAT_WITHIN = 1.25;

export const growth: Benchmark = {
  name: 'growth',
  about: 'cost a mail and memory, as one mailbox grows and as mailboxes grow many',
  async run({ quick, full, say }: BenchmarkOptions): Promise<Figure[]> {
    const sizes = quick ? [100, 1000] : [100, 1000, 10_000, ...(full ? [50_000] : [])];
    const users = [...sizes.map((size) => userOf(`box${size}`)), ...manyUsers()];
    const [server, stage] = await Promise.all([dovecot(users), openStage()]);
    try {
      const product = await stage.startProduct();
      const boxes = await oneMailbox({ server, stage, product, say }, sizes, users);
      const many = await manyMailboxes({ server, stage, product, say });
      const base = boxes.find(({ size }) => size === 1000)!;
      return [
        ...boxes.flatMap(({ size, cpu, memory }): Figure[] => [
          {
            name: `${size} mails: CPU a mail`,
            value: cpu,
            unit: 'ms',
            ...(size > 1000 && { target: { atMost: round(base.cpu * FLAT_WITHIN) } }),
          },
          {
            name: `${size} mails: memory after them`,
            value: memory,
            unit: 'MB',
            ...(size > 1000 && { target: { atMost: round(base.memory * FLAT_WITHIN) } }),
          },
        ]),
        { name: `${MAILBOXES} mailboxes: CPU a mail`, value: many.cpu, unit: 'ms' },
        {
          name: `${MAILBOXES} mailboxes waiting: memory`,
          value: many.memory,
          unit: 'MB',
          target: { atMost: round(base.memory * FLAT_WITHIN + MAILBOXES) },
        },
      ];
    } finally {
      await stage.close();
      await server.stop();
    }
  },
};

interface Place {
  readonly server: Dovecot;
  readonly stage: Stage;
  readonly product: Product;
  readonly say: (line: string) => void;
}

/** Each size in a mailbox and tenant of its own, smallest first. */
async function oneMailbox(
  { server, stage, product, say }: Place,
  sizes: readonly number[],
  users: readonly DovecotUser[],
) {
  const boxes: { size: number; cpu: number; memory: number }[] = [];
  for (const [place, size] of sizes.entries()) {
    const user = users[place]!;
    // Made as they are delivered: this process holds no mailbox either.
    deliverAll(
      server,
      user,
      generateMails({ seed: size, count: size, attachmentBytes: SMALL_FILES }),
    );
    const tenant = await stage.newTenant(user.username);
    const run = await importMailbox(product, tenant, server, user, size);
    const { now, most } = memoryOf(product.pid);
    say(`${describeRun(run)}; memory ${now.toFixed(0)} MB, at most ${most.toFixed(0)} MB so far`);
    boxes.push({ size, cpu: withoutDovecot(run.cpu) / size, memory: now });
  }
  return boxes;
}

async function manyMailboxes({ server, stage, product, say }: Place) {
  const users = manyUsers();
  for (const [seed, user] of users.entries())
    deliverAll(
      server,
      user,
      generateMails({ seed, count: MAILS_EACH, attachmentBytes: SMALL_FILES }),
    );
  const tenant = await stage.newTenant('many');
  const before = cpuOf([product.pid]);
  const channels: string[] = [];
  for (const user of users) channels.push(await addChannel(product, tenant, server, user));
  for (const id of channels) await untilWatching(product, tenant, id);
  const cpu = withoutDovecot(cpuBetween(before, cpuOf([product.pid])));
  const { now } = memoryOf(product.pid);
  const each = cpu / (users.length * MAILS_EACH);
  say(`${users.length} mailboxes: ${each.toFixed(2)} ms CPU a mail, memory ${now.toFixed(0)} MB`);
  return { cpu: each, memory: now };
}

function manyUsers(): DovecotUser[] {
  return Array.from({ length: MAILBOXES }, (_, at) => userOf(`many${at}`));
}

function userOf(name: string): DovecotUser {
  return { username: `${name}@example.test`, password: 'secret' };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
