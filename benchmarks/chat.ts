import { availableParallelism } from 'node:os';
import { metaSimulator } from '../simulators/meta/simulator.ts';
import { bareDoor } from './chat-bare-door.ts';
import { chatScene, outcome, type ChatScene } from './chat-scene.ts';
import { callsOf, play, shuffled, type Answered } from './chat-load.ts';
import type { Benchmark, BenchmarkOptions, Figure } from './contract.ts';
import { percentile } from './scene.ts';
import { openStage } from './stage.ts';
import { cpuBetween, cpuOf, withoutDovecot } from './usage.ts';

const CALLS = 5_000;
const PER_SECOND = 200;
/** Of each customer with whom there is a conversation before: so many answers are sent, and reported of. */
const ANSWERS = 300;

export const chat: Benchmark = {
  name: 'chat',
  about: '5,000 calls of Meta’s webhook, a fifth of them twice, shuffled, at 200 a second',
  async run({ quick, profile, say }: BenchmarkOptions): Promise<Figure[]> {
    const calls = quick ? CALLS / 10 : CALLS;
    const meta = await metaSimulator();
    const stage = await openStage({ profile });
    try {
      const product = await stage.startProduct();
      const tenants = [await stage.newTenant('chat-one'), await stage.newTenant('chat-two')];
      const scene = await chatScene({
        meta,
        doorUrl: `${product.url}/ingress/meta`,
        db: stage.deps.db,
        tenants: tenants.map((tenant) => ({
          id: tenant.id,
          call: (...request) => tenant.call(product, ...request),
        })),
        answers: quick ? ANSWERS / 10 : ANSWERS,
      });
      say(`${scene.answers()} answers are sent`);
      const deck = await callsOf(scene, calls);
      const bare = await alone(stage.databaseUrl, deck.slice(0, calls / 5));
      const before = cpuOf([product.pid]);
      const answered = await play(shuffled(deck), PER_SECOND);
      say(`answers: ${JSON.stringify(answered.statuses)}`);
      const settledMs = await scene.settled();
      const cpu = cpuBetween(before, cpuOf([product.pid]));
      say(`CPU: ${JSON.stringify(cpu)}`);
      for (const line of await stage.costliestStatements()) say(line);
      return await figures(scene, answered, bare, settledMs, withoutDovecot(cpu) / calls);
    } finally {
      await stage.close();
      await meta.close();
    }
  },
};

async function figures(
  scene: ChatScene,
  answered: Answered,
  bare: Answered,
  settledMs: number,
  cpuMs: number,
): Promise<Figure[]> {
  const { missing, doubled, strange, wrongStates, tickets, conversations } = await outcome(scene);
  const ceiling = `a door that checks the signature and writes one row: p50 ${ms(bare, 50)}, p95 ${ms(bare, 95)} ms`;
  const cores = `on ${availableParallelism()} cores`;
  return [
    {
      name: 'calls answered 200 at once',
      value: answered.statuses[200] ?? 0,
      unit: `of ${answered.ms.length}`,
    },
    { name: 'calls taken at last', value: answered.accepted, unit: `of ${answered.ms.length}` },
    { name: `answered, p50 ${cores}`, value: percentile(answered.ms, 50), unit: 'ms' },
    {
      name: `answered, p95 ${cores}`,
      value: percentile(answered.ms, 95),
      unit: 'ms',
      target: { atMost: 100 },
      ceiling,
    },
    {
      name: 'answered, p95 of reports alone',
      value: percentile(answered.reportsMs, 95),
      unit: 'ms',
    },
    { name: 'answered, longest', value: Math.max(...answered.ms), unit: 'ms' },
    { name: 'CPU a call, with all that comes of it', value: cpuMs, unit: 'ms' },
    { name: 'after the last call all is done within', value: settledMs, unit: 'ms' },
    { name: 'messages missing', value: missing, unit: 'messages', target: { atMost: 0 } },
    { name: 'messages doubled', value: doubled, unit: 'messages', target: { atMost: 0 } },
    { name: 'messages of nobody', value: strange, unit: 'messages', target: { atMost: 0 } },
    {
      name: 'answers in another state than the last',
      value: wrongStates,
      unit: 'answers',
      target: { atMost: 0 },
    },
    {
      name: 'tickets beside conversations',
      value: tickets - conversations,
      unit: 'tickets',
      target: { atMost: 0 },
    },
  ];
}

const ms = ({ ms: all }: Answered, percent: number) => percentile(all, percent).toFixed(1);

/** The same calls at a door that does only what no door can do without. */
async function alone(databaseUrl: string, calls: Parameters<typeof play>[0]): Promise<Answered> {
  const door = await bareDoor(databaseUrl, 'app-secret');
  try {
    return await play(
      calls.map((call) => ({ ...call, url: door.url })),
      PER_SECOND,
    );
  } finally {
    await door.close();
  }
}
