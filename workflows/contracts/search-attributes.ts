import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';

/** Never personal: search attributes are not encrypted. Registered at every boot. */
export const SEARCH_ATTRIBUTES = {
  tenant: defineSearchAttributeKey('Tenant', SearchAttributeType.KEYWORD),
  provider: defineSearchAttributeKey('Provider', SearchAttributeType.KEYWORD),
  channelState: defineSearchAttributeKey('ChannelState', SearchAttributeType.KEYWORD),
  ticketStatus: defineSearchAttributeKey('TicketStatus', SearchAttributeType.KEYWORD),
  slaLevel: defineSearchAttributeKey('SlaLevel', SearchAttributeType.INT),
} as const;
