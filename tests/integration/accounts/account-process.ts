// A process of its own, as a worker is: does what its stdin tells with the account of one channel. Argument: its Place as JSON.
import { createInterface } from 'node:readline';
import { StoredLimits } from '../../../db/account-limits.ts';
import { StoredTokens } from '../../../db/account-tokens.ts';
import { connect } from '../../../db/connection.ts';
import type { ChannelId, TenantId } from '../../../domain/ids.ts';
import { KeyRing } from '../../../security/key-ring.ts';

export interface Place {
  readonly databaseUrl: string;
  readonly masterKey: string;
  readonly tenantId: TenantId;
  readonly channelId: ChannelId;
  /** Of the vendor: `/token` gives a token, `/work` takes a moment. */
  readonly vendor: string;
}

const place = JSON.parse(process.argv[2]!) as Place;
const db = connect({ url: place.databaseUrl, poolSize: 2 });
const deps = {
  db,
  keys: KeyRing.parse(place.masterKey),
  signal: new AbortController().signal,
};
const { tenantId, channelId: id } = place;
const tokens = new StoredTokens(deps, { tenantId, id });
const limits = new StoredLimits(deps, { tenantId, account: `vendor/${id}` });

const orders: Record<string, () => Promise<string>> = {
  token: () =>
    tokens.access(async ({ refreshToken }) => {
      const response = await fetch(`${place.vendor}/token?refresh=${refreshToken ?? ''}`);
      const { accessToken, refreshToken: next } = (await response.json()) as {
        accessToken: string;
        refreshToken: string;
      };
      return {
        accessToken,
        refreshToken: next,
        expiresAt: new Date(Date.now() + 3_600_000),
      };
    }),
  work: () =>
    limits.slot(4, async () => {
      await fetch(`${place.vendor}/work`);
      return 'done';
    }),
};

process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const order = orders[line];
  if (!order) continue;
  // Not awaited: a process may be told to do several things at once.
  order().then(
    (result) => process.stdout.write(`${result}\n`),
    (error: unknown) => process.stdout.write(`error ${String(error)}\n`),
  );
}
await db.destroy();
