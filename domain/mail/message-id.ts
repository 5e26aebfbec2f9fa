import { createHmac, timingSafeEqual } from 'node:crypto';
import { isId, type MessageId, type TenantId, type TicketId } from '../ids.ts';

export interface MessageIdParts {
  tenantId: TenantId;
  ticketId: TicketId;
  messageId: MessageId;
  /** Secret of the tenant, 32 bytes. */
  key: Buffer;
  /** Domain of the channel's address. */
  domain: string;
}

const macBytes = 16;

/**
 * Our Message-ID: `<ticket>.<message>.<mac>@<domain>`, without brackets. The MAC (HMAC-SHA256 cut
 * to 128 bits) makes it unguessable, so a reference to it proves that its sender got our mail.
 */
export function mintMessageId(parts: MessageIdParts): string {
  const ticket = bareId(parts.ticketId);
  const message = bareId(parts.messageId);
  const mac = macOf(parts.tenantId, ticket, message, parts.key).toString('hex');
  return `${ticket}.${message}.${mac}@${parts.domain.toLowerCase()}`;
}

/**
 * Ticket and message that a Message-ID of ours names, whatever its letter case or domain, or null
 * where it isn't ours or was altered.
 */
export function readMessageId(
  id: string,
  key: Buffer,
  tenantId: TenantId,
): { ticketId: TicketId; messageId: MessageId } | null {
  const local = id.replace(/^<|>$/g, '').split('@')[0]!.toLowerCase();
  const found = /^([0-9a-z]{26})\.([0-9a-z]{26})\.([0-9a-f]{32})$/.exec(local);
  if (!found) return null;
  const [, ticket, message, mac] = found;
  const expected = macOf(tenantId, ticket!, message!, key);
  if (!timingSafeEqual(Buffer.from(mac!, 'hex'), expected)) return null;
  const ticketId = `tkt_${ticket!.toUpperCase()}`;
  const messageId = `msg_${message!.toUpperCase()}`;
  return isId('ticket', ticketId) && isId('message', messageId) ? { ticketId, messageId } : null;
}

function macOf(tenantId: string, ticket: string, message: string, key: Buffer): Buffer {
  return createHmac('sha256', key)
    .update(`message-id\0${tenantId}\0${ticket}\0${message}`)
    .digest()
    .subarray(0, macBytes);
}

function bareId(id: string): string {
  return id.slice(id.indexOf('_') + 1).toLowerCase();
}
