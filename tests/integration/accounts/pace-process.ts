// A process of its own, as a worker is: takes as many turns of an account as its stdin tells, all wanted at once, and says when each came.
import { createInterface } from 'node:readline';
import { awaitTurn } from '../../../db/account-pace.ts';
import { connect } from '../../../db/connection.ts';
import type { TenantId } from '../../../domain/ids.ts';

export interface PacePlace {
  readonly databaseUrl: string;
  readonly tenantId: TenantId;
  readonly account: string;
  readonly perSecond: number;
}

const { databaseUrl, perSecond, ...account } = JSON.parse(process.argv[2]!) as PacePlace;
const db = connect({ url: databaseUrl, poolSize: 2 });
const { signal } = new AbortController();

process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const turns = Array.from({ length: Number(line) }, async () => {
    await awaitTurn({ db, signal }, account, perSecond);
    process.stdout.write(`${Date.now()}\n`);
  });
  await Promise.all(turns);
}
await db.destroy();
