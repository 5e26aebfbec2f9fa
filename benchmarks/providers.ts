import { setTimeout as sleep } from 'node:timers/promises';
import type { Benchmark, BenchmarkOptions, Figure } from './contract.ts';
import type { ChannelStatus } from './import.ts';
import { mixedMails } from './mailbox.ts';
import { OUTSIDES, type ProviderOutside } from './provider-outsides.ts';
import { openStage, type Product, type Stage } from './stage.ts';

const SEED = 20_261_121;
const LOOK_EVERY_MS = 200;
const WITHIN_MS = 10 * 60_000;

interface Run {
  readonly perSecond: number;
  readonly alonePerSecond: number;
  /** Of the vendor's API; null where it has none. */
  readonly callsPer100: number | null;
}

export const providers: Benchmark = {
  name: 'providers',
  about: '500 mixed mails by each provider, beside what its outside gives alone; API calls',
  async run({ quick, say }: BenchmarkOptions): Promise<Figure[]> {
    const count = quick ? 50 : 500;
    const mails = mixedMails(SEED, count * 2)
      .filter(({ isCopy }) => !isCopy)
      .slice(0, count)
      .map(({ raw }) => raw);
    const stage = await openStage();
    try {
      const product = await stage.startProduct();
      const figures: Figure[] = [];
      for (const [provider, open] of Object.entries(OUTSIDES)) {
        const outside = await open();
        try {
          const run = await measured(stage, product, provider, outside, mails);
          say(`${provider}: ${JSON.stringify(run)}`);
          figures.push(...figuresOf(provider, run));
        } finally {
          await outside.close();
        }
      }
      return figures;
    } finally {
      await stage.close();
    }
  },
};

function figuresOf(provider: string, { perSecond, alonePerSecond, callsPer100 }: Run): Figure[] {
  return [
    {
      name: `${provider}: mails a second`,
      value: perSecond,
      unit: '/s',
      ceiling: `its outside alone: ${alonePerSecond.toFixed(0)}/s`,
    },
    ...(callsPer100 === null
      ? []
      : [{ name: `${provider}: API calls for 100 mails`, value: callsPer100, unit: 'calls' }]),
  ];
}

/** From the channel's making, or the first call of its door, until every mail is a message. */
async function measured(
  stage: Stage,
  product: Product,
  provider: string,
  outside: ProviderOutside,
  mails: readonly Buffer[],
): Promise<Run> {
  const tenant = await stage.newTenant(provider);
  outside.fill(mails);
  const before = outside.calls();
  let began = performance.now();
  const { id, ingress_url: door } = await tenant.call<{ id: string; ingress_url: string }>(
    product,
    'POST',
    '/v1/channels',
    {
      provider,
      name: provider,
      address: `support@${provider}.bench.test`,
      settings: outside.bring
        ? outside.settings
        : { import_since: '2020-01-01', ...outside.settings },
    },
  );
  if (outside.bring) {
    began = performance.now();
    await outside.bring(mails, door);
  }
  await untilReceived(async () => {
    const path = `/v1/channels/${id}/status`;
    const status = await tenant.call<ChannelStatus & { messages_received: number }>(
      product,
      'GET',
      path,
    );
    if (status.state === 'needs_attention') throw new Error(`${provider}: ${status.detail}`);
    return status.messages_received >= mails.length;
  });
  const seconds = (performance.now() - began) / 1000;
  const calls = outside.calls();
  await tenant.call(product, 'POST', `/v1/channels/${id}/pause`);
  // Afterwards: by now a vendor that asks its door for a confirmation has got it.
  const aloneBegan = performance.now();
  await outside.alone(mails);
  const alone = (performance.now() - aloneBegan) / 1000;
  return {
    perSecond: mails.length / seconds,
    alonePerSecond: mails.length / alone,
    callsPer100: calls === null ? null : ((calls - (before ?? 0)) * 100) / mails.length,
  };
}

async function untilReceived(isThere: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + WITHIN_MS; !(await isThere()); await sleep(LOOK_EVERY_MS))
    if (Date.now() > deadline) throw new Error('Not every mail came in within ten minutes.');
}
