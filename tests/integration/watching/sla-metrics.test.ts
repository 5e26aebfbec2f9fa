import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createTicketActivities } from '../../../activities/tickets.ts';
import { inTenant } from '../../../db/connection.ts';
import { newId } from '../../../domain/ids.ts';
import { registry } from '../../../telemetry/metrics.ts';
import { openTicket, seedTenant } from '../../workflow/ticket-seed.ts';
import { startTestApi, type TestApi } from '../api-fixture.ts';

const MINUTE = 60_000;
let api: TestApi;

beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api?.close());

it('SLA clocks are counted as they announce, breaches with how late they are', async () => {
  const seed = await seedTenant(api.db);
  const { tenantId } = seed;
  await inTenant(api.db, tenantId, (tx) =>
    tx
      .insertInto('sla_policies')
      .values({
        id: newId('slaPolicy'),
        tenant_id: tenantId,
        definition: JSON.stringify({
          name: 'One hour',
          targets: { normal: { resolution_minutes: 60 } },
          warn_at_percent: [50],
          escalations: [{ level: 1, after_minutes: 1, actions: [{ type: 'emit_event' }] }],
        }),
      })
      .execute(),
  );
  const opened = new Date(Date.now() - 90 * MINUTE);
  const ticketId = await openTicket(api.db, seed, opened);
  const activities = createTicketActivities(api.deps);
  const at = (minutes: number) => new Date(opened.getTime() + minutes * MINUTE).toISOString();

  await activities.applyDue({ tenantId, ticketId, now: at(31) });
  expect(await counted('postroom_sla_occurrences_total')).toEqual([['resolution', 'warning', 1]]);

  await activities.applyDue({ tenantId, ticketId, now: at(62) });
  await activities.applyDue({ tenantId, ticketId, now: at(62) }); // a retry announces nothing twice
  expect(await counted('postroom_sla_occurrences_total')).toEqual([
    ['resolution', 'warning', 1],
    ['resolution', 'breach', 1],
    ['resolution', 'escalation', 1],
  ]);
  const late = await registry.getSingleMetric('postroom_sla_lateness_seconds')!.get();
  const sum = late.values.find(
    (value) => 'metricName' in value && value.metricName?.toString().endsWith('_sum'),
  );
  expect(sum?.value).toBeCloseTo(120, 0);
});

async function counted(name: string): Promise<unknown[]> {
  const { values } = await registry.getSingleMetric(name)!.get();
  return values.map(({ labels, value }) => [labels['metric'], labels['type'], value]);
}
