/** What a vendor is asked for beside the reading of mail, whose refusal is the channel's trouble. */
export type VendorRequestKind =
  'send' | 'file' | 'profile' | 'read_mark' | 'templates' | 'renew' | 'health';

/** A vendor's refusal that only an admin can mend, as it is kept with the channel. Times are RFC 3339. */
export interface Refusal {
  /** The failure's code: `messenger.token_expired`. */
  readonly type: string;
  /** The vendor's reason and its cure, in plain words. */
  readonly detail: string;
  readonly since: string;
  /** When it was last met. */
  readonly met_at: string;
  /** Of the channel, as it was then: whatever an admin changes since may have mended it. */
  readonly version: number;
  /** When the credentials were last tried because of it, in which version of the channel; null where they never were. */
  readonly tried: { readonly at: string; readonly version: number } | null;
  /** A trial saw it. */
  readonly seen: boolean;
}

export type Refusals = Readonly<Partial<Record<VendorRequestKind, Refusal>>>;

/** A refused channel is asked once in so long; whatever else it is to do waits meanwhile. */
export const ASK_AGAIN_MS = 10 * 60_000;

/** Why the vendor is not asked for this now: it refused it a moment ago, and nothing has been changed since. */
export function standingRefusal(
  { refusals, version }: { readonly refusals: Refusals; readonly version: number },
  kind: VendorRequestKind,
  now: Date,
): Refusal | null {
  const refusal = refusals[kind];
  if (!refusal || refusal.version !== version) return null;
  return now.getTime() - Date.parse(refusal.met_at) < ASK_AGAIN_MS ? refusal : null;
}

const WHAT: Readonly<Record<VendorRequestKind, string>> = {
  send: 'Answers can’t be sent',
  file: 'Files that customers sent can’t be fetched',
  profile: 'Customers’ names can’t be asked for',
  read_mark: 'Customers can’t be shown what was read',
  templates: 'The account’s templates can’t be read',
  renew: 'The vendor can’t be asked to call the door',
  health: 'How the account stands can’t be read',
};

/** What an admin is told of a channel's refusals: the gravest, with its reason; null where there are none. */
export function worstRefusal(refusals: Refusals): { type: string; detail: string } | null {
  for (const kind of Object.keys(WHAT) as VendorRequestKind[]) {
    const refusal = refusals[kind];
    if (refusal) return { type: refusal.type, detail: `${WHAT[kind]}. ${refusal.detail}` };
  }
  return null;
}

/** What a trial of the credentials came to. */
export type Trial = 'fine' | 'refused' | 'unreachable';

/** Whether the credentials are to be tried: once for each change by an admin, and now and then. */
export function isTrialDue(refusals: Refusals, version: number, now: Date): boolean {
  return Object.values(refusals).some(
    ({ tried }) =>
      tried?.version !== version || now.getTime() - Date.parse(tried.at) >= ASK_AGAIN_MS,
  );
}

/**
 * What a trial leaves of the refusals: where it finds nothing wrong, what it saw before or an admin may have mended is
 * gone. What a trial can't see stands until the same request succeeds, and what was met since it began.
 */
export function afterTrial(
  refusals: Refusals,
  trial: Trial,
  { version, begun, now }: { readonly version: number; readonly begun: Date; readonly now: Date },
): Refusals {
  const left = Object.entries(refusals).flatMap(([kind, refusal]): [string, Refusal][] => {
    if (Date.parse(refusal.met_at) > begun.getTime()) return [[kind, refusal]];
    const tried = { ...refusal, tried: { at: now.toISOString(), version } };
    if (trial === 'unreachable') return [[kind, tried]];
    if (trial === 'refused') return [[kind, { ...tried, seen: true }]];
    return refusal.seen || refusal.version !== version ? [] : [[kind, tried]];
  });
  return Object.fromEntries(left);
}
