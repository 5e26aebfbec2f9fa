import type { AnyRoute } from '../route.ts';
import { apiKeyRoutes } from './api-keys.ts';
import { attachmentRoutes } from './attachments.ts';
import { channelActionRoutes } from './channel-actions.ts';
import { channelRoutes } from './channels.ts';
import { deliveryRoutes } from './deliveries.ts';
import { eventRoutes } from './events.ts';
import { webhookEndpointRoutes } from './webhook-endpoints.ts';

/** Every route of /v1; one file per resource. */
export const routes: readonly AnyRoute[] = [
  ...channelRoutes,
  ...channelActionRoutes,
  ...attachmentRoutes,
  ...eventRoutes,
  ...apiKeyRoutes,
  ...webhookEndpointRoutes,
  ...deliveryRoutes,
];
