import { createLogger } from '../../../../telemetry/log.ts';
import type { FetchedBatch, FetchedItem, ProviderCall } from '../../../../providers/contract.ts';
import { GmailSettings } from '../../../../providers/gmail/manifest.ts';
import { gmail } from '../../../../providers/gmail/provider.ts';
import {
  createGmailSimulator,
  type GmailSimulator,
  type SimulatedAccount,
} from '../../../../simulators/gmail/simulator.ts';
import { providerCall } from '../call.ts';

export type GmailCall = ProviderCall<GmailSettings>;

/** A simulated Gmail with one account, and calls to it. */
export interface Fixture {
  readonly simulator: GmailSimulator;
  readonly account: SimulatedAccount;
  readonly call: (settings?: object, more?: Partial<GmailCall>) => GmailCall;
  readonly mail: (n: number, more?: string) => string;
}

let accounts = 0;

export async function gmailFixture(simulator?: GmailSimulator): Promise<Fixture> {
  const gmailSimulator = simulator ?? (await createGmailSimulator());
  const account = await gmailSimulator.account(`support${++accounts}@gmail.test`);
  return {
    simulator: gmailSimulator,
    account,
    call: (settings = {}, more = {}) =>
      providerCall(
        GmailSettings.parse({
          ...gmailSimulator.settingsOf(account),
          import_since: '2020-01-01',
          ...settings,
        }),
        { log: createLogger('fatal'), ...more },
      ),
    mail: (n, more = '') =>
      `From: Ada <ada@x.test>\r\nMessage-ID: <${n}@x.test>\r\nSubject: mail-${n}\r\n${more}\r\nHello ${n}\r\n`,
  };
}

export interface Drained {
  readonly items: readonly FetchedItem[];
  readonly ids: readonly string[];
  readonly subjects: readonly string[];
  readonly batches: readonly FetchedBatch[];
  /** As it would be kept. */
  readonly cursor: unknown;
}

/** Reads all there is, as the core does: each batch's cursor is kept as JSON. */
export async function drain(call: GmailCall, cursor: unknown): Promise<Drained> {
  const batches: FetchedBatch[] = [];
  let last = cursor;
  for await (const batch of gmail.mailbox!.fetch(call, 'mail', cursor)) {
    batches.push(batch);
    last = JSON.parse(JSON.stringify(batch.cursor));
  }
  return drained(batches, last);
}

export function drained(batches: readonly FetchedBatch[], cursor: unknown): Drained {
  const items = batches.flatMap((batch) => batch.items);
  return {
    items,
    batches,
    cursor,
    ids: items.map(({ providerMessageId }) => providerMessageId),
    subjects: items.map(({ source }) => {
      if (!Buffer.isBuffer(source)) throw new Error('Gmail gives each mail in one piece.');
      return /^Subject: (.*)\r$/m.exec(source.toString())?.[1] ?? '';
    }),
  };
}
