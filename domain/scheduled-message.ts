import { ID_PREFIX, type CommandId } from './ids.ts';

/** The one command by which a scheduled message (`sch_…`) is sent: the same whoever asks for it, and however often. */
export function scheduledCommandId(scheduledId: string): CommandId {
  const ulid = scheduledId.slice(ID_PREFIX.scheduledMessage.length + 1);
  return `${ID_PREFIX.command}_${ulid}` as CommandId; // of the form that newId gives
}
