import { randomBytes } from 'node:crypto';
import type { Api } from '../api.ts';
import type { CleanUp } from '../clean-up.ts';
import { SkippedDoor, type DemoDoor } from './door.ts';
import { gmailDoor } from './gmail.ts';
import { graphDoor } from './graph.ts';
import { mailCloudDoors } from './mail-cloud.ts';
import { mailServerDoor } from './mail-server.ts';
import { COLUMNS, playDoor, type Column } from './story.ts';
import { channelTable } from './table.ts';

export interface ChannelsContext {
  readonly api: Api;
  readonly cleanUp: CleanUp;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** So many doors at a time: each has a mail of 14 MB under way. */
const LANES = 3;

/** Every mail channel, through its own door, against its vendor's simulator. @returns how many did not hold */
export async function playChannels(context: ChannelsContext): Promise<number> {
  const run = randomBytes(3).toString('hex');
  const doors: DemoDoor[] = [
    gmailDoor('push', run),
    gmailDoor('sweep', run),
    graphDoor('push', run),
    graphDoor('delta', run),
    mailServerDoor('imap', run),
    mailServerDoor('pop3', run),
    ...mailCloudDoors(run),
  ];
  const table = channelTable(
    process.stdout,
    COLUMNS,
    doors.map(({ title }) => title),
  );
  const waiting = [...doors];
  const failures: string[] = [];
  const lane = async () => {
    for (let door = waiting.shift(); door; door = waiting.shift()) {
      const fault = await show(door, context, table.cell(door.title));
      if (fault !== null) failures.push(fault);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  table.end();
  for (const failure of failures) process.stderr.write(`${failure}\n`);
  return failures.length;
}

/** Null where all of it held, or can't be shown here. */
async function show(
  door: DemoDoor,
  context: ChannelsContext,
  fill: (column: Column | null, what: string) => void,
): Promise<string | null> {
  let seen = 0;
  const saw = (column: Column, what: string) => {
    seen += 1;
    fill(column, what);
  };
  try {
    context.signal.throwIfAborted();
    await playDoor(door, { ...context, saw });
    return null;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (error instanceof SkippedDoor) {
      fill(null, `skipped: ${reason}`);
      return null;
    }
    const column = COLUMNS[seen];
    fill(column ?? null, 'FAILED');
    return `${door.title}, ${column ?? 'at its end'}: ${reason}`;
  }
}
