import type { AnyRoute } from '../route.ts';
import { agentRoutes } from './agents.ts';
import { apiKeyRoutes } from './api-keys.ts';
import { attachmentRoutes } from './attachments.ts';
import { calendarRoutes } from './calendars.ts';
import { channelActionRoutes } from './channel-actions.ts';
import { channelAddressRoutes } from './channel-addresses.ts';
import { channelRulesRoutes } from './channel-rules.ts';
import { channelConnectRoutes } from './channel-connect.ts';
import { channelTemplateRoutes } from './channel-templates.ts';
import { channelRoutes } from './channels.ts';
import { contactMergeRoutes } from './contact-merge.ts';
import { contactUnmergeRoutes } from './contact-unmerge.ts';
import { contactMessageRoutes } from './contact-messages.ts';
import { contactRoutes } from './contacts.ts';
import { deliveryRoutes } from './deliveries.ts';
import { eventRoutes } from './events.ts';
import { filteredRoutes } from './filtered.ts';
import { scheduledMessageRoutes } from './scheduled-messages.ts';
import { setAsideRoutes } from './set-aside.ts';
import { messageReadRoutes } from './message-read.ts';
import { messageRoutes } from './messages.ts';
import { slaPolicyRoutes } from './sla-policies.ts';
import { teamRoutes } from './teams.ts';
import { ticketRoutes } from './tickets.ts';
import { webhookEndpointRoutes } from './webhook-endpoints.ts';

/** Every route of /v1; one file per resource. */
export const routes: readonly AnyRoute[] = [
  ...channelRoutes,
  ...channelActionRoutes,
  ...channelConnectRoutes,
  ...channelRulesRoutes,
  ...channelTemplateRoutes,
  ...channelAddressRoutes,
  ...ticketRoutes,
  ...messageRoutes,
  ...messageReadRoutes,
  ...scheduledMessageRoutes,
  ...attachmentRoutes,
  ...eventRoutes,
  ...agentRoutes,
  ...calendarRoutes,
  ...contactRoutes,
  ...contactMergeRoutes,
  ...contactUnmergeRoutes,
  ...contactMessageRoutes,
  ...setAsideRoutes,
  ...filteredRoutes,
  ...slaPolicyRoutes,
  ...teamRoutes,
  ...apiKeyRoutes,
  ...webhookEndpointRoutes,
  ...deliveryRoutes,
];
