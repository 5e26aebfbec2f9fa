import { monotonicFactory, ulid } from 'ulid';

/** Prefixes of the ids that leave the house; the rest of an id is a ULID. */
export const ID_PREFIX = {
  tenant: 'tnt',
  apiKey: 'key',
  channel: 'chn',
  source: 'src',
  message: 'msg',
  attachment: 'att',
  ticket: 'tkt',
  contact: 'con',
  agent: 'agt',
  team: 'tea',
  slaPolicy: 'sla',
  calendar: 'cal',
  event: 'evt',
  endpoint: 'whe',
  delivery: 'dlv',
  command: 'cmd',
  audit: 'aud',
  integration: 'itg',
  scheduledMessage: 'sch',
  contactLink: 'lnk',
} as const;

export type IdKind = keyof typeof ID_PREFIX;
declare const brand: unique symbol;
export type Id<K extends IdKind> = string & { readonly [brand]: K };

export type TenantId = Id<'tenant'>;
export type ChannelId = Id<'channel'>;
export type SourceId = Id<'source'>;
export type MessageId = Id<'message'>;
export type AttachmentId = Id<'attachment'>;
export type TicketId = Id<'ticket'>;
export type ContactId = Id<'contact'>;
export type AgentId = Id<'agent'>;
export type TeamId = Id<'team'>;
export type EventId = Id<'event'>;
export type EndpointId = Id<'endpoint'>;
export type DeliveryId = Id<'delivery'>;
export type CommandId = Id<'command'>;

const nextUlid = monotonicFactory(random);

/** A new id, sortable by time: `tkt_01J…`; those that a process makes without `at` sort as they were made. */
export function newId<K extends IdKind>(kind: K, at?: number): Id<K> {
  return `${ID_PREFIX[kind]}_${at === undefined ? nextUlid() : ulid(at, random)}` as Id<K>;
}

/** Of a call of the API: `req_01J…`. */
export function newRequestId(): string {
  return `req_${ulid(undefined, random)}`;
}

const drawn = new Uint8Array(4096);
let used = drawn.length;

/** From 0 to less than 1. An id asks 16 times: bytes are drawn many at once. */
function random(): number {
  if (used === drawn.length) {
    crypto.getRandomValues(drawn);
    used = 0;
  }
  return drawn[used++]! / 256;
}

const ULID = /^[0-9A-HJKMNP-TV-Z]{26}$/;

/** Whether `value` has the form of an id of this kind; narrows it. */
export function isId<K extends IdKind>(kind: K, value: string): value is Id<K> {
  const [prefix, rest, ...more] = value.split('_');
  return prefix === ID_PREFIX[kind] && more.length === 0 && rest !== undefined && ULID.test(rest);
}
