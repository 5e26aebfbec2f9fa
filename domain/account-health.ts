import { z } from 'zod';

/** What a vendor tells of the account that messages leave by: a number, a page. */
export const AccountHealth = z
  .object({
    quality: z
      .enum(['high', 'medium', 'low', 'unknown'])
      .meta({ description: 'How customers take what it sends, as the vendor sees it.' }),
    connected: z
      .boolean()
      .nullable()
      .meta({ description: 'Whether it can send at all; null where that isn’t told.' }),
    name_approved: z
      .boolean()
      .nullable()
      .meta({ description: 'Whether customers see its name; null where that isn’t decided.' }),
    customers_a_day: z
      .union([z.int(), z.literal('unlimited')])
      .nullable()
      .meta({
        description:
          'So many customers may be written to first within 24 hours; null where that isn’t told.',
      }),
    messages_a_second: z
      .int()
      .nullable()
      .meta({ description: 'What it may send; null where that isn’t told.' }),
    warnings: z.array(z.string()).meta({ description: 'What is amiss, in plain words.' }),
    told: z.record(z.string(), z.string()).meta({
      description: 'The same in the vendor’s own words.',
      examples: [{ quality_rating: 'GREEN', status: 'CONNECTED' }],
    }),
  })
  .meta({ id: 'AccountHealth' });
export type AccountHealth = z.infer<typeof AccountHealth>;

const WATCHED = [
  'quality',
  'connected',
  'name_approved',
  'customers_a_day',
  'messages_a_second',
] as const;

/** What became another, each as [old, new]; nothing where it is read for the first time. */
export function healthChanges(
  before: AccountHealth | null,
  after: AccountHealth,
): Record<string, [unknown, unknown]> {
  if (!before) return {};
  const changed = WATCHED.filter((fact) => before[fact] !== after[fact]);
  return Object.fromEntries(changed.map((fact) => [fact, [before[fact], after[fact]]]));
}
