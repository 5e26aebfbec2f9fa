import { isDeepStrictEqual } from 'node:util';
import { foundSources, type FoundSource } from '../tests/e2e/acceptance/found.ts';
import type { GeneratedMail, MailTruth } from '../tests/generator/mails.ts';
import type { Stage, Tenant } from './stage.ts';

/** What an import did to the mails that were delivered; all zeros is right. */
export interface Faults {
  /** Mails without a message. */
  readonly lost: number;
  /** Messages beyond one for each mail. */
  readonly doubled: number;
  /** Messages whose people, subject, text or files are not as they were written. */
  readonly garbled: number;
  /** Messages in another conversation's ticket, or in none of their own. */
  readonly misthreaded: number;
}

/** Compares all that a tenant has stored with what its mails were generated from. */
export async function faultsOf(
  { deps }: Stage,
  tenant: Tenant,
  mails: readonly GeneratedMail[],
): Promise<Faults> {
  const sources = await foundSources({ deps, tenantId: tenant.id });
  const bySource = Map.groupBy(sources, (source) => source.sha256);
  const fresh = mails.filter((mail) => !mail.isCopy).map(({ truth }) => truth);
  const found = fresh.flatMap((truth) => {
    const source = bySource.get(truth.sourceSha256)?.find(({ message }) => message);
    return source ? [{ truth, source }] : [];
  });
  const messages = new Set(sources.flatMap(({ message }) => message?.id ?? []));
  return {
    lost: fresh.length - found.length,
    doubled: messages.size - found.length,
    garbled: found.filter((pair) => isGarbled(pair.truth, pair.source)).length,
    misthreaded: misthreaded(found),
  };
}

function isGarbled(truth: MailTruth, { message }: FoundSource): boolean {
  const { body, attachments } = message;
  const written = [truth.kind, truth.from, truth.to, truth.cc, truth.subject, truth.text];
  const read = [body.kind, body.sender, body.to, body.cc, body.subject, body.new_content];
  if (!isDeepStrictEqual(plain(read), plain(written))) return true;
  if (truth.attachments === null) return false;
  return !isDeepStrictEqual(plain(byName(attachments)), plain(byName(truth.attachments)));
}

/** Each conversation has one ticket, and no two have the same. */
function misthreaded(found: readonly { truth: MailTruth; source: FoundSource }[]): number {
  const ticketOf = new Map<string, string>();
  const owner = new Map<string, string>();
  let faults = 0;
  for (const { truth, source } of found) {
    const { ticketId } = source.message;
    if (truth.thread === null || ticketId === null) {
      if (truth.thread !== ticketId) faults += 1;
      continue;
    }
    const wanted = ticketOf.get(truth.thread) ?? ticketId;
    ticketOf.set(truth.thread, wanted);
    const thread = owner.get(ticketId) ?? truth.thread;
    owner.set(ticketId, thread);
    if (wanted !== ticketId || thread !== truth.thread) faults += 1;
  }
  return faults;
}

function byName<T extends { readonly filename: string }>(files: readonly T[]): T[] {
  return [...files].sort((a, b) => (a.filename < b.filename ? -1 : 1));
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
