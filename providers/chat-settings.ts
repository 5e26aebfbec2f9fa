import { z } from 'zod';
import { ticketUpdateSettings } from '../domain/ticket-updates.ts';
import { clockworkFields } from './mail-settings.ts';

const DAY_SECONDS = 86_400;

/** Settings that every chat channel has. */
export const chatFields = {
  base_url: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({ description: 'The vendor’s API elsewhere: a proxy, or a simulator.' }),
  ticket_creation_enabled: z.boolean().default(true).meta({
    description:
      'False: what is written joins a ticket that is there, begins none, and is kept without one.',
  }),
  ...ticketUpdateSettings,
  mark_read: z
    .boolean()
    .default(true)
    .meta({ description: 'Shows the customer that a message was read.' }),
  window_seconds: z.int().min(1).max(DAY_SECONDS).default(DAY_SECONDS).meta({
    description:
      'How long free text may be sent after the customer’s latest message; the vendor allows a day, a trial may take less.',
  }),
  ...clockworkFields,
};

/** For `ChatCapability.windowMs`. */
export function windowMs({ window_seconds: seconds }: { readonly window_seconds: number }): number {
  return seconds * 1000;
}
