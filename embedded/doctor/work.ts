import { readBacklog, type Backlog } from '../../db/queries/backlog.ts';
import { openSecrets } from '../../db/queries/channels.ts';
import { openSecret } from '../../db/queries/endpoints.ts';
import {
  failingEndpoints,
  sealedSamples,
  troubledChannels,
  type OwnerDb,
  type SealedSample,
} from '../../db/queries/inspection.ts';
import type { KeyRing } from '../../security/key-ring.ts';
import { findingsOf, looking, reasonOf, type Finding } from './finding.ts';

/** Work that nobody has taken up for this long is left lying. */
const LEFT_SECONDS = 5 * 60;
const SAMPLES = 5;

const found = findingsOf('work');

/** Whether work gets on, by what waits in the database. */
export async function lookAtWork(db: OwnerDb, keys: KeyRing | null): Promise<readonly Finding[]> {
  const looks = await Promise.all([
    looking('work', 'backlog', async () => backlog(await readBacklog(db))),
    looking('work', 'channels', () => channels(db)),
    looking('work', 'webhook endpoints', () => endpoints(db)),
    looking('work', 'key ring', () => keyRing(db, keys)),
  ]);
  return looks.flat();
}

function backlog(left: Backlog): Finding[] {
  return [
    waiting('outbox', left.outbox, left.outbox_age, 'rows have not reached Temporal', {
      cure: 'See that a process with role processes runs and Temporal answers; the drain hands them over each minute. docs/runbooks/temporal-away.md',
    }),
    waiting('staged sources', left.staged, left.staged_age, 'stored mails have no ticket yet', {
      cure: 'See that processes with roles mailboxes and providers run, and what their channels’ status says.',
    }),
    waiting(
      'deliveries',
      left.deliveries_overdue,
      left.deliveries_age,
      'pending deliveries have nobody at work on them',
      { cure: 'See that processes with roles deliveries and processes run.' },
    ),
    left.set_aside === 0
      ? found.ok('set aside', 'No message had to be set aside')
      : found.warning('set aside', {
          detail: `${left.set_aside} messages could not be processed`,
          cure: 'GET /v1/set-aside says why; retry them once mended. docs/runbooks/set-aside.md',
        }),
  ];
}

function waiting(
  check: string,
  count: number,
  ageSeconds: number,
  what: string,
  { cure }: { cure: string },
): Finding {
  const age = Math.round(ageSeconds);
  if (age < LEFT_SECONDS)
    return found.ok(check, count === 0 ? 'Nothing waits' : `${count} wait, ${age} s at most`);
  return found.broken(check, { detail: `${count} ${what}, the oldest for ${age} s`, cure });
}

async function channels(db: OwnerDb): Promise<Finding[]> {
  const troubled = await troubledChannels(db);
  if (troubled.length === 0) return [found.ok('channels', 'None is in trouble')];
  return troubled.map(({ id, state, since }) =>
    found.warning(`channel ${id}`, {
      detail: `${state.replace('_', ' ')}${since ? ` since ${since.toISOString()}` : ''}`,
      cure:
        state === 'needs_attention'
          ? `GET /v1/channels/${id}/status names what to mend. docs/runbooks/channel-needs-attention.md`
          : 'It tries again by itself. docs/runbooks/channel-backing-off.md',
    }),
  );
}

async function endpoints(db: OwnerDb): Promise<Finding[]> {
  const failing = await failingEndpoints(db);
  if (failing.length === 0)
    return [found.ok('webhook endpoints', 'None has failed at everything in the last day')];
  return failing.map(({ id, failed, pending }) =>
    found.warning(`endpoint ${id}`, {
      detail: `Nothing was delivered in the last day; ${failed} given up, ${pending} still tried`,
      cure: `GET /v1/webhook-endpoints/${id}/deliveries shows its answers; then replay. docs/runbooks/deliveries-failed.md`,
    }),
  );
}

async function keyRing(db: OwnerDb, keys: KeyRing | null): Promise<Finding[]> {
  const samples = await sealedSamples(db, SAMPLES);
  if (!keys)
    return [
      found.broken('key ring', {
        detail: 'There is no master key here',
        cure: 'Set POSTROOM_MASTER_KEY as the processes have it, or POSTROOM_HOME to their home.',
      }),
    ];
  const refused = samples.flatMap((sample) => refusalOf(keys, sample));
  if (refused.length === 0)
    return [found.ok('key ring', `It opens ${samples.length} samples of sealed secrets`)];
  return [
    found.broken('key ring', {
      detail: `It opens not ${refused.length} of ${samples.length} samples: ${refused[0]!}`,
      cure: 'Append the key that sealed them to POSTROOM_MASTER_KEY (`new,old`). docs/operating.md, Keys',
    }),
  ];
}

function refusalOf(keys: KeyRing, sample: SealedSample): string[] {
  try {
    const { kind, id, sealed } = sample;
    if (kind === 'channel') openSecrets({ id, secrets: sealed }, keys);
    else openSecret(keys, { id, secret: sealed });
    return [];
  } catch (error) {
    return [`${sample.kind} ${sample.id}: ${reasonOf(error)}`];
  }
}
