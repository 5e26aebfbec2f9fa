// Webhook deliveries in both gears; alone: `node benchmarks/deliveries.ts [--quick] [--profile FOLDER]`.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createEndpoint, deleteEndpoint } from '../db/queries/endpoints.ts';
import { newId, type TenantId } from '../domain/ids.ts';
import { NewWebhookEndpoint } from '../domain/webhook.ts';
import type { Benchmark, BenchmarkOptions, Figure } from './contract.ts';
import { bareWorkflows, plainPosts } from './delivery-ceilings.ts';
import { type Raise, type Received, type ReceiverRequest } from './delivery-messages.ts';
import { openStage, type Stage } from './stage.ts';
import { table } from './table.ts';
import { cpuBetween, cpuOf, type Cpu } from './usage.ts';

const SECRET = 'a secret for the benchmark';

export const deliveries: Benchmark = {
  name: 'deliveries',
  about: 'webhook deliveries of 1 KiB: a workflow each, and by the dispatcher',
  run: benchDeliveries,
};

export async function benchDeliveries(
  { quick, say }: BenchmarkOptions,
  profileTo?: string,
): Promise<Figure[]> {
  const share = quick ? 10 : 1;
  const stage = await openStage();
  const receiver = await startReceiver();
  const product = await startProduct(stage, profileTo);
  try {
    const scene = await setScene(stage, receiver, product);
    await receiver.ask({ ask: 'reset' });
    await plainPosts(receiver.url, SECRET, 2_000);
    const plain = await plainPosts(receiver.url, SECRET, 20_000 / share);
    const posts = `plain posts: ${plain.rate.toFixed(0)}/s, ${plain.cpu.toFixed(2)} ms`;
    say(posts);
    await scene.run('warm-up', 'workflow', { events: 200, perTransaction: 1, writers: 30 });
    await scene.run('warm-up', 'auto', { events: 1000, perTransaction: 100, writers: 4 });
    // Before the bursts: behind them Postgres vacuums and Temporal writes its log back.
    const steady = { events: 1000 / share, perTransaction: 1, writers: 0, rate: 50 };
    const slow = await scene.run('50/s, a workflow each', 'workflow', steady);
    const quickly = await scene.run('50/s, stream', 'stream', steady);
    const each = await scene.best('a workflow each', 'workflow', {
      events: 2000 / share,
      perTransaction: 1,
      writers: 30,
    });
    const bare = await bareWorkflows(stage, 1000 / share);
    const workflows = `empty workflows: ${bare.rate.toFixed(0)}/s, ${bare.cpu.toFixed(1)} ms`;
    say(workflows);
    const burst = await scene.best('burst', 'auto', {
      events: 10_000 / share,
      perTransaction: 100,
      writers: 4,
    });
    const single = await scene.best('burst, a transaction each', 'stream', {
      events: 10_000 / share,
      perTransaction: 1,
      writers: 16,
    });
    const failing = await scene.run(
      'burst, 2 % fail',
      'auto',
      { events: 10_000 / share, perTransaction: 100, writers: 4 },
      0.02,
    );
    return [
      figure('a workflow each: deliveries', each.rate, '/s', { atLeast: 140 }, workflows),
      figure('a workflow each: CPU', each.cpu, 'ms', { atMost: 11 }, workflows),
      figure('burst of 10,000: events', burst.rate, '/s', { atLeast: 3000 }, posts),
      figure('burst of 10,000: CPU an event', burst.cpu, 'ms', { atMost: 0.6 }, posts),
      figure('burst, a transaction for each event: events', single.rate, '/s'),
      figure('burst, a transaction for each event: CPU', single.cpu, 'ms'),
      figure('burst, 2 % fail: first attempts', failing.rate, '/s'),
      figure('burst, 2 % fail: CPU an event', failing.cpu, 'ms'),
      figure('50/s, a workflow each: p50', slow.p50, 'ms', { atMost: 10 }),
      figure('50/s, a workflow each: p95', slow.p95, 'ms', { atMost: 25 }),
      figure('50/s, stream: p50', quickly.p50, 'ms', { atMost: 4 }),
      figure('50/s, stream: p95', quickly.p95, 'ms', { atMost: 8 }),
      figure('lost', scene.lost(), 'events', { atMost: 0 }),
      figure('doubled where nothing failed', scene.doubled(), 'posts', { atMost: 0 }),
    ];
  } finally {
    await product.stop();
    receiver.child.kill();
    await stage.close();
  }

  async function setScene(stage: Stage, receiver: Receiver, product: Product) {
    const tenantId = (await stage.newTenant('deliveries')).id;
    const totals = { lost: 0, doubled: 0 };
    const run = async (
      name: string,
      mode: 'auto' | 'workflow' | 'stream',
      order: Omit<Raise, 'tenantId'>,
      failing = 0,
    ) => {
      await receiver.ask({ ask: 'reset', failing });
      const endpoint = await makeEndpoint(stage, tenantId, receiver.url, mode);
      const before = cpuOf([product.pid]);
      const { began } = await product.raise({ tenantId, ...order });
      const received = await untilReceived(receiver, order.events);
      await sleep(1_000); // what is still to be written down costs, too
      const cpu = cpuBetween(before, cpuOf([product.pid]));
      await deleteEndpoint(stage.deps.db, tenantId, endpoint);
      totals.lost += order.events - received.ids;
      if (failing === 0) totals.doubled += received.requests - received.ids;
      const result = resultOf(order.events, received, began, cpu);
      say(`${name}: ${result.told}`);
      return result;
    };
    return {
      run,
      /** The better of two: the machine is shared. */
      best: async (...given: Parameters<typeof run>) => {
        const [first, second] = [await run(...given), await run(...given)];
        return first.cpu <= second.cpu ? first : second;
      },
      lost: () => totals.lost,
      doubled: () => totals.doubled,
    };
  }
}

function figure(
  name: string,
  value: number,
  unit: string,
  target?: Figure['target'],
  ceiling?: string,
): Figure {
  return { name, value, unit, target, ceiling };
}

function resultOf(events: number, { last, delays }: Received, began: number, cpu: Cpu) {
  const sorted = delays.toSorted((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const rate = (events / (last - began)) * 1000;
  const each = (part: number) => part / events;
  const whole = each(cpu.product + cpu.postgres + cpu.temporal);
  const parts = `product ${each(cpu.product).toFixed(2)}, Postgres ${each(cpu.postgres).toFixed(2)}, Temporal ${each(cpu.temporal).toFixed(2)}`;
  const [p50, p95, p99] = [at(0.5), at(0.95), at(0.99)];
  const delay = [p50, p95, p99].map((ms) => ms.toFixed(1)).join('/');
  const told = `${rate.toFixed(0)}/s, ${whole.toFixed(2)} ms CPU each (${parts}); p50/p95/p99 ${delay} ms`;
  return { rate, cpu: whole, p50, p95, told };
}

type Receiver = Awaited<ReturnType<typeof startReceiver>>;

async function startReceiver() {
  const child = fork(fileURLToPath(new URL('./delivery-receiver.ts', import.meta.url)));
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]; // its first message
  return {
    child,
    url: `http://127.0.0.1:${port}/hook`,
    async ask(what: ReceiverRequest): Promise<Received> {
      const answer = once(child, 'message');
      child.send(what);
      return ((await answer) as [Received])[0]; // it answers each question
    },
  };
}

async function untilReceived(receiver: Receiver, events: number): Promise<Received> {
  let before = -1;
  for (let still = 0; still < 300;) {
    const received = await receiver.ask({ ask: 'received' });
    if (received.ids >= events) return received;
    still = received.requests === before ? still + 1 : 0;
    before = received.requests;
    await sleep(100);
  }
  return receiver.ask({ ask: 'received' });
}

type Product = Awaited<ReturnType<typeof startProduct>>;

async function startProduct(stage: Stage, profileTo?: string) {
  const { config } = stage.deps;
  const child: ChildProcess = fork(
    fileURLToPath(new URL('./delivery-product.ts', import.meta.url)),
    {
      execArgv: profileTo ? ['--cpu-prof', `--cpu-prof-dir=${profileTo}`] : [],
      env: { ...config.environment, POSTROOM_LOG_LEVEL: 'info' },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    },
  );
  await once(child, 'message');
  return {
    pid: child.pid!,
    async raise(order: Raise): Promise<{ began: number; ended: number }> {
      const answer = once(child, 'message');
      child.send(order);
      return ((await answer) as [{ began: number; ended: number }])[0]; // it answers each order
    },
    async stop() {
      child.send('stop');
      await once(child, 'exit');
    },
  };
}

async function makeEndpoint(
  { deps }: Stage,
  tenantId: TenantId,
  url: string,
  mode: 'auto' | 'workflow' | 'stream',
): Promise<string> {
  const given = NewWebhookEndpoint.parse({ url, events: ['*'], delivery_mode: mode });
  const id = newId('endpoint');
  await createEndpoint(deps.db, deps.keys, tenantId, { ...given, id, secret: SECRET });
  return id;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { parseArgs } = await import('node:util');
  const { values } = parseArgs({
    options: { quick: { type: 'boolean', default: false }, profile: { type: 'string' } },
  });
  const say = (line: string) => process.stderr.write(`  ${line}\n`);
  const figures = await benchDeliveries({ quick: values.quick, full: false, say }, values.profile);
  process.stdout.write(table([{ benchmark: 'deliveries', figures }]));
}
