// `npm run reparse`: reads stored sources again with the current parser.
import { parseArgs } from 'node:util';
import { reparse, type ReparseOptions, type ReparseTotals } from '../activities/reparse.ts';
import { connect } from '../db/connection.ts';
import { findTenant, tenantIds } from '../db/queries/tenants.ts';
import { isId, type TenantId } from '../domain/ids.ts';
import { PARSER_VERSION } from '../domain/mail/parse.ts';
import { runAsCommand } from './command.ts';
import { runningDatabaseUrl } from './running-database.ts';

const usage = `usage: npm run reparse -- [--dry-run] [--channel ID] [--since TIME] [--status ingested|set_aside]
                           [--source ID] [--tenant NAME] [--again]

Reads stored sources again with the current parser (version ${PARSER_VERSION}) and updates their messages in place;
sources set aside are staged again for the running product. Stopped, it goes on where it was when run again.

  --dry-run   shows what would change, and changes nothing
  --channel   of this channel alone (chn_…)
  --since     received then or later, e.g. 2026-11-01
  --status    only what became messages (ingested), or only what is set aside
  --source    this source alone (src_…)
  --tenant    of this tenant alone; of all when missing
  --again     those too that the current parser has read already`;

interface Wanted {
  options: ReparseOptions;
  tenant: string | null;
}

function readArguments(args: string[]): Wanted | null {
  const { values } = parseArgs({
    args,
    options: {
      'dry-run': { type: 'boolean', default: false },
      channel: { type: 'string' },
      since: { type: 'string' },
      status: { type: 'string' },
      source: { type: 'string' },
      tenant: { type: 'string' },
      again: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return null;
  const since = values.since === undefined ? undefined : new Date(values.since);
  if (since && Number.isNaN(since.getTime()))
    throw new Error(`--since "${values.since}" is no time.\n\n${usage}`);
  if (values.channel !== undefined && !isId('channel', values.channel))
    throw new Error(`--channel "${values.channel}" is no channel's id.\n\n${usage}`);
  if (values.source !== undefined && !isId('source', values.source))
    throw new Error(`--source "${values.source}" is no source's id.\n\n${usage}`);
  const { status } = values;
  if (status !== undefined && status !== 'ingested' && status !== 'set_aside')
    throw new Error(`--status "${status}" is neither ingested nor set_aside.\n\n${usage}`);
  return {
    tenant: values.tenant ?? null,
    options: {
      dryRun: values['dry-run'],
      again: values.again || values.source !== undefined,
      ...(values.channel === undefined ? {} : { channelId: values.channel }),
      ...(values.source === undefined ? {} : { sourceId: values.source }),
      ...(since ? { since } : {}),
      ...(status === undefined ? {} : { status }),
    },
  };
}

const PROGRESS_EVERY = 100;

await runAsCommand(async (config) => {
  const wanted = readArguments(process.argv.slice(2));
  if (wanted === null) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  const db = connect({ url: runningDatabaseUrl(config), poolSize: 2 });
  try {
    const totals: ReparseTotals = { read: 0, changed: 0, failed: 0, retried: 0 };
    let seen = 0;
    for (const tenant of await tenantsOf(wanted.tenant)) {
      const { read, changed, failed, retried } = await reparse(
        db,
        tenant,
        wanted.options,
        ({ message, failed: fault, retried: source }) => {
          if (message && message.fields.length > 0)
            process.stdout.write(`${message.messageId} ${message.fields.join(', ')}\n`);
          if (fault) process.stderr.write(`${fault.sourceId} stays as it was: ${fault.reason}\n`);
          if (source) process.stdout.write(`${source} ${verb('staged again')}\n`);
          if (++seen % PROGRESS_EVERY === 0) process.stderr.write(`${seen} sources …\n`);
        },
      );
      totals.read += read;
      totals.changed += changed;
      totals.failed += failed;
      totals.retried += retried;
    }
    const { read, changed, failed, retried } = totals;
    process.stdout.write(
      `${read} read again, ${changed} ${verb('changed')}, ${failed} failed, ${retried} set aside ${verb('staged again')}\n`,
    );
    if (failed > 0) process.exitCode = 1;
  } finally {
    await db.destroy();
  }

  function verb(done: string): string {
    return wanted!.options.dryRun ? `would be ${done}` : done;
  }

  async function tenantsOf(name: string | null): Promise<TenantId[]> {
    if (name === null) return tenantIds(db);
    const found = await findTenant(db, name);
    if (found === null) throw new Error(`There is no tenant "${name}".`);
    return [found];
  }
});
