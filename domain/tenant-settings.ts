import { z } from 'zod';

/** What a tenant may set; every value has a default, so that stored settings hold only what was changed. */
export const TenantSettings = z
  .object({
    reopen_window_days: z
      .number()
      .min(0)
      .max(365)
      .default(14)
      .describe('How long after closing a message reopens the ticket'),
    after_closing: z
      .enum(['reopen', 'follow_up'])
      .default('reopen')
      .describe('What a message does inside that window'),
    auto_close_hours: z
      .number()
      .min(0)
      .max(8760)
      .default(96)
      .describe('A resolved ticket closes by itself after this'),
    allow_private_targets: z
      .array(z.string())
      .default([])
      .describe('Private hosts or CIDRs this tenant’s webhooks and channels may reach'),
  })
  .meta({ id: 'TenantSettings' });
export type TenantSettings = z.infer<typeof TenantSettings>;
