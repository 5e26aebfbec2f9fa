import { createHmac, timingSafeEqual } from 'node:crypto';
import { isId, type TenantId, type TicketId } from '../ids.ts';

// Signs by which a mail names its ticket beside its Message-ID.

/** Ticket token for subjects and bodies: `[#123]`, the tenant's ticket number. */
export function ticketToken(number: number): string {
  return `[#${number}]`;
}

/** Ticket numbers that a subject or body names as `[#123]`, first one first, at most ten. */
export function readTicketTokens(text: string): number[] {
  const numbers = [...text.slice(0, 262_144).matchAll(/\[#(\d{1,12})\]/g)].map((m) => Number(m[1]));
  return [...new Set(numbers.filter((number) => number > 0))].slice(0, 10);
}

/** Address with a plus tag taken apart: `support+x@example.com` → base `support@example.com`. */
export function splitPlusAddress(address: string): { base: string; tag: string } | null {
  const parts = /^([^+@]+)\+([^@]+)@([^@]+)$/.exec(address.trim());
  return parts ? { base: `${parts[1]}@${parts[3]!.toLowerCase()}`, tag: parts[2]! } : null;
}

export interface PlusTokenKey {
  tenantId: TenantId;
  key: Buffer;
}

/** Bytes of MAC in a plus tag: 10 keep the local part under 64 characters. */
const macBytes = 10;

function plusMac(ticketId: string, { tenantId, key }: PlusTokenKey): Buffer {
  return createHmac('sha256', key)
    .update(`plus\0${tenantId}\0${ticketId.toLowerCase()}`)
    .digest()
    .subarray(0, macBytes);
}

/** Reply address of a ticket: `support+t-<ticket>-<mac>@example.com`. */
export function plusAddress(address: string, ticketId: TicketId, secret: PlusTokenKey): string {
  const at = address.lastIndexOf('@');
  const mac = plusMac(ticketId, secret).toString('hex');
  const bare = ticketId.replace(/^tkt_/, '').toLowerCase();
  return `${address.slice(0, at)}+t-${bare}-${mac}${address.slice(at)}`;
}

/** The ticket that a plus address of ours names, or null where its MAC is not ours. */
export function readPlusAddress(address: string, secret: PlusTokenKey): TicketId | null {
  const tag = splitPlusAddress(address)?.tag.toLowerCase();
  const token = /^t-([0-9a-z]{26})-([0-9a-f]{20})$/.exec(tag ?? '');
  if (!token) return null;
  const ticketId = `tkt_${token[1]!.toUpperCase()}`;
  const matches = timingSafeEqual(Buffer.from(token[2]!, 'hex'), plusMac(ticketId, secret));
  return matches && isId('ticket', ticketId) ? ticketId : null;
}
