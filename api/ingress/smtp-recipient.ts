import { domainToASCII } from 'node:url';
import { findChannel, type DesiredState } from '../../db/queries/channels.ts';
import { resolveAddress } from '../../db/queries/sources.ts';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import type { ApiDeps } from '../deps.ts';

/** An SMTP answer other than yes; the text carries its enhanced status (RFC 3463). */
export class DoorError extends Error {
  override name = 'DoorError';
  readonly responseCode: number;
  readonly code: string;
  constructor(responseCode: number, code: string, text: string) {
    super(text);
    this.responseCode = responseCode;
    this.code = code;
  }
}

export interface DoorChannel {
  readonly id: ChannelId;
  readonly tenantId: TenantId;
  readonly provider: string;
}

export interface Recipient {
  readonly address: string;
  readonly channel: DoorChannel;
}

/**
 * The channel that mail for an address goes to: by the address itself, or by what stands before its `+`.
 * @throws DoorError 550 where there is none (nothing is relayed), 450 where the channel is stopped
 */
export async function recipientChannel({ db }: ApiDeps, address: string): Promise<Recipient> {
  for (const candidate of candidates(address)) {
    const found = await resolveAddress(db, candidate);
    if (!found) continue;
    const row = await findChannel(db, found.tenantId, found.channelId);
    if (!row) continue;
    refuseStopped(row.desired_state);
    const channel = { id: found.channelId, tenantId: found.tenantId, provider: row.provider };
    return { address, channel };
  }
  throw new DoorError(550, 'unknown_recipient', '5.1.1 No channel receives mail for this address');
}

/** A paused channel takes mail and keeps it. */
function refuseStopped(desired: DesiredState): void {
  if (desired === 'stopped')
    throw new DoorError(450, 'channel_stopped', '4.2.1 This channel is stopped; try again later');
}

function candidates(address: string): string[] {
  const at = address.lastIndexOf('@');
  if (at < 1) return [];
  const local = address.slice(0, at);
  const base = local.split('+')[0]!;
  const given = address.slice(at + 1);
  // An international domain may be written either way.
  const domains = new Set([given, domainToASCII(given)].filter((domain) => domain !== ''));
  return [...domains].flatMap((domain) =>
    [...new Set([local, base])].filter(Boolean).map((name) => `${name}@${domain}`),
  );
}
