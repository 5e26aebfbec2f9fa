import type { FetchedBatch, FetchedItem, ProviderCall } from '../../../../providers/contract.ts';
import { Microsoft365Settings } from '../../../../providers/microsoft365/manifest.ts';
import { microsoft365 } from '../../../../providers/microsoft365/provider.ts';
import { graphSimulator, type GraphSimulator } from '../../../../simulators/graph/simulator.ts';
import type { SimMailbox } from '../../../../simulators/graph/state.ts';
import { providerCall } from '../call.ts';

export type Microsoft365Call = ProviderCall<Microsoft365Settings>;

/** A simulated Graph with one mailbox, and calls to it by the application's own credentials. */
export interface Fixture {
  readonly simulator: GraphSimulator;
  readonly address: string;
  readonly box: SimMailbox;
  readonly call: (settings?: object, more?: Partial<Microsoft365Call>) => Microsoft365Call;
  /** Mails `from` to `to` come into the mailbox, a second apart. */
  readonly deliver: (from: number, to?: number, how?: { folder?: string }) => void;
}

export const ADDRESS = 'support@example.test';
const FIRST = Date.UTC(2026, 0, 1);

export async function graphFixture(): Promise<Fixture> {
  const simulator = await graphSimulator();
  return {
    simulator,
    address: ADDRESS,
    box: simulator.mailbox(ADDRESS),
    call: (settings = {}, more = {}) =>
      providerCall(
        Microsoft365Settings.parse({
          ...simulator.application(ADDRESS),
          import_since: '2020-01-01',
          ...settings,
        }),
        more,
      ),
    deliver(from, to = from, how = {}) {
      for (let n = from; n <= to; n += 1)
        simulator.deliver(ADDRESS, mail(n), { ...how, receivedAt: new Date(FIRST + n * 1000) });
    },
  };
}

export const mail = (n: number, body = `Hello ${n}\r\n`) =>
  `From: Ada <ada@x.test>\r\nMessage-ID: <${n}@x.test>\r\nSubject: mail-${n}\r\n\r\n${body}`;

export interface Drained {
  readonly items: readonly FetchedItem[];
  readonly ids: readonly string[];
  /** `mail-1` … */
  readonly subjects: readonly string[];
  readonly batches: readonly FetchedBatch[];
  /** As it would be kept. */
  readonly cursor: unknown;
}

/** Reads all there is, as the core does: each batch's cursor is kept as JSON. */
export async function drain(
  call: Microsoft365Call,
  cursor: unknown = null,
  folder = 'inbox',
): Promise<Drained> {
  const batches: FetchedBatch[] = [];
  let last = cursor;
  for await (const batch of microsoft365.mailbox!.fetch(call, folder, cursor)) {
    batches.push(batch);
    last = JSON.parse(JSON.stringify(batch.cursor));
  }
  return drained(batches, last);
}

export function drained(batches: readonly FetchedBatch[], cursor: unknown): Drained {
  const items = batches.flatMap((batch) => batch.items);
  return {
    items,
    ids: items.map(({ providerMessageId }) => providerMessageId),
    subjects: items.map((item) => /^Subject: (.*)$/m.exec(textOf(item))?.[1]?.trim() ?? ''),
    batches,
    cursor: last(cursor),
  };
}

/** This provider hands over whole mails. */
export const textOf = ({ source }: FetchedItem): string => (source as Buffer).toString();

const last = (cursor: unknown): unknown => JSON.parse(JSON.stringify(cursor));

export const subjects = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, n) => `mail-${from + n}`);

/** What was asked of Graph, by method and kind of path. */
export function asked({ requests }: GraphSimulator, match: RegExp): string[] {
  return requests
    .map(({ method, path }) => `${method} ${decodeURIComponent(path)}`)
    .filter((request) => request.search(match) >= 0);
}
