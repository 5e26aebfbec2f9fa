import type { AnyRoute } from '../route.ts';
import { apiKeyRoutes } from './api-keys.ts';
import { channelActionRoutes } from './channel-actions.ts';
import { channelRoutes } from './channels.ts';
import { deliveryRoutes } from './deliveries.ts';
import { webhookEndpointRoutes } from './webhook-endpoints.ts';

/** Every route of /v1; one file per resource. */
export const routes: readonly AnyRoute[] = [
  ...channelRoutes,
  ...channelActionRoutes,
  ...apiKeyRoutes,
  ...webhookEndpointRoutes,
  ...deliveryRoutes,
];
