// Responders that bear no sign of being machines are told by how much they say.

/** What a sender has sent within the last hour, in all and under one subject. */
export interface SentWithinHour {
  readonly messages: number;
  readonly underSubject: number;
}

/** Fresh messages of one sender within an hour; a person writes fewer. */
export const senderLimit = 100;
/** Fresh messages of one sender within an hour under one subject; a conversation has fewer. */
export const subjectLimit = 20;

/** Why a sender's thread falls silent, in plain words, or null where it goes on. */
export function loopReason(address: string, sent: SentWithinHour): string | null {
  if (sent.underSubject > subjectLimit)
    return `${address} sent ${sent.underSubject} messages with the same subject within an hour: it may be a machine answering ours.`;
  if (sent.messages > senderLimit)
    return `${address} sent ${sent.messages} messages within an hour: it may be a machine.`;
  return null;
}

/** Counts of whole hours as those of the sixty minutes before `now`: of the hour before, the part that reaches in. */
export function withinHour(thisHour: number, hourBefore: number, now: Date): number {
  const passed = (now.getTime() % 3_600_000) / 3_600_000;
  return thisHour + Math.floor(hourBefore * (1 - passed));
}

/** A mail written long ago is being imported: only what was just written can answer us. */
export function isFresh(writtenAt: string, now: Date): boolean {
  return Math.abs(Date.parse(writtenAt) - now.getTime()) < 24 * 3_600_000;
}
