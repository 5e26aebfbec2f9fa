import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { newId } from '../../domain/ids.ts';
import { describeWith, timeSkipping } from '../harness/index.ts';
import { startTickets, type Tickets } from './ticket-fixture.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describeWith('time-skipping', 'a ticket, over days', () => {
  let env: TestWorkflowEnvironment;
  let tickets: Tickets;

  beforeAll(async () => {
    env = await timeSkipping();
    tickets = await startTickets({
      nativeConnection: env.nativeConnection,
      connection: env.connection,
      skipsTime: true,
    });
  });
  afterAll(async () => {
    await tickets?.stop();
    await env?.teardown();
  });
  beforeEach(() => tickets.inDb((tx) => tx.deleteFrom('sla_policies').execute()));

  const now = async () => new Date(await env.currentTimeMs());

  /**
   * Lets time pass as far as `at`, timer by timer: the server skips over whatever is under way in a worker, so each
   * has to have done its work before the next skip.
   */
  async function pass(ticketId: string, at: Date | number): Promise<void> {
    const until = typeof at === 'number' ? (await env.currentTimeMs()) + at : at.getTime();
    for (;;) {
      await tickets.settle(ticketId);
      const [current, due] = [await env.currentTimeMs(), await tickets.nextDue(ticketId)];
      if (current >= until) return;
      await env.sleep(Math.min(until, due !== null && due > current ? due : until) - current + 5);
    }
  }

  async function policy(definition: Record<string, unknown>) {
    const id = newId('slaPolicy');
    await tickets.inDb((tx) =>
      tx
        .insertInto('sla_policies')
        .values({
          id,
          tenant_id: tickets.tenantId,
          definition: JSON.stringify({ name: 'Standard', ...definition }),
        })
        .execute(),
    );
    return id;
  }

  it('is answered, resolved, closes by itself after four days, and ends with its reopen window', async () => {
    await policy({
      targets: { normal: { first_response_minutes: 60, resolution_minutes: 600 } },
    });
    const ticketId = await tickets.open(await now());
    const reply = await tickets.command(ticketId, 'reply', { text: 'Use the extinguisher.' });
    expect(reply).toMatchObject({ ok: true, messageId: expect.stringMatching(/^msg_/) });
    await pass(ticketId, 5 * MINUTE);
    expect(await tickets.command(ticketId, 'setStatus', { status: 'resolved' })).toMatchObject({
      ok: true,
    });
    await pass(ticketId, 97 * HOUR);
    expect((await tickets.row(ticketId)).status).toBe('closed');
    await pass(ticketId, 13 * DAY);
    expect((await tickets.handleOf(ticketId).describe()).status.name).toBe('RUNNING');
    await pass(ticketId, 2 * DAY);
    await tickets.handleOf(ticketId).result();

    expect(await tickets.eventTypes(ticketId)).toEqual([
      'message.sent',
      'ticket.updated',
      'ticket.resolved',
      'ticket.updated',
      'ticket.closed',
    ]);
  });

  it('seven days of SLA: warning, breach, a pause over a change of clocks, two levels, each once and to the minute', async () => {
    const [friday, monday] = weekendOfSpringClocks(await now());
    const [teamId, agentId] = [newId('team'), newId('agent')];
    const calendarId = newId('calendar');
    const tenant_id = tickets.tenantId;
    await tickets.inDb(async (tx) => {
      await tx.insertInto('teams').values({ id: teamId, tenant_id, name: 'Second line' }).execute();
      await tx
        .insertInto('agents')
        .values({ id: agentId, tenant_id, name: 'Grace', addresses: ['grace@acme.test'] })
        .execute();
      const day = [['09:00', '17:00']];
      await tx
        .insertInto('calendars')
        .values({
          id: calendarId,
          tenant_id,
          definition: JSON.stringify({
            name: 'Berlin',
            time_zone: 'Europe/Berlin',
            holidays: [],
            hours: { monday: day, tuesday: day, wednesday: day, thursday: day, friday: day },
          }),
        })
        .execute();
    });
    const targets = { first_response_minutes: 240, resolution_minutes: 2400 };
    await policy({
      targets: { normal: targets, high: targets },
      calendar_id: calendarId,
      escalations: [
        { level: 1, after_minutes: 60, actions: [{ type: 'raise_priority' }] },
        {
          level: 2,
          after_minutes: 480,
          actions: [
            { type: 'assign_team', team_id: teamId },
            { type: 'notify', to: [agentId] },
          ],
        },
      ],
    });
    const utc = (day: Date, hour: number, minute = 0) =>
      new Date(day.getTime() + hour * HOUR + minute * MINUTE);

    // Thursday 16:00 in Berlin (UTC+1): one business hour is left of that day.
    await env.sleep(utc(friday, 15 - 24).getTime() - (await env.currentTimeMs()));
    const ticketId = await tickets.open(utc(friday, 15 - 24));
    await pass(ticketId, utc(friday, 13));
    expect(await tickets.eventTypes(ticketId)).toEqual([
      'sla.warning',
      'sla.breached',
      'ticket.updated',
      'ticket.escalated',
    ]);
    // Paused from Friday 14:00 to Monday 10:00 in Berlin, which is UTC+2 by then.
    await tickets.command(ticketId, 'setStatus', { status: 'pending' });
    const paused = await tickets.historyLength(ticketId);
    await pass(ticketId, utc(monday, 8));
    expect(await tickets.historyLength(ticketId)).toBe(paused);
    await tickets.command(ticketId, 'setStatus', { status: 'open' });
    await pass(ticketId, utc(monday, 24 + 15));

    const announced = (await tickets.audit(ticketId)).filter(({ action }) =>
      ['sla.warning', 'sla.breached', 'ticket.escalated'].includes(action),
    );
    expect(announced.map(({ action, at }) => [action, toMinute(at)])).toEqual([
      ['sla.warning', toMinute(utc(friday, 10, 12))],
      ['sla.breached', toMinute(utc(friday, 11))],
      ['ticket.escalated', toMinute(utc(friday, 12))],
      // Two of the eight hours had passed on Friday; six more end at 16:00 in Berlin.
      ['ticket.escalated', toMinute(utc(monday, 14))],
    ]);
    const row = await tickets.row(ticketId);
    expect(row).toMatchObject({ priority: 'high', team_id: teamId });
    expect(row.sla).toMatchObject({ escalation_level: 2, owed: [] });
    expect(tickets.provider.sent.at(-1)).toMatchObject({
      automatic: true,
      to: [{ name: '', address: 'grace@acme.test' }],
    });

    await tickets.command(ticketId, 'reply', { text: 'Sorry.', status: 'resolved' });
    await pass(ticketId, utc(friday, 7 * 24 + 12));
    expect((await tickets.row(ticketId)).sla?.first_response?.met_at).not.toBeNull();
    expect(
      (await tickets.eventTypes(ticketId)).filter((type) => type === 'ticket.escalated'),
    ).toHaveLength(2);
  });

  it('tells two events of one instant once when the activity runs twice', async () => {
    await policy({ targets: { normal: { resolution_minutes: 10 } }, warn_at_percent: [50] });
    const ticketId = await tickets.open(await now());
    await pass(ticketId, HOUR);
    const call = { tenantId: tickets.tenantId, ticketId, now: (await now()).toISOString() };
    const { createTicketActivities } = await import('../../activities/tickets.ts');
    const again = createTicketActivities(tickets.deps);
    await Promise.all([again.applyDue(call), again.applyDue(call)]);
    expect(await tickets.eventTypes(ticketId)).toEqual(['sla.warning', 'sla.breached']);
  });

  it('gives an answer up after a day, and the clocks go on meanwhile', async () => {
    await policy({ targets: { normal: { first_response_minutes: 60, resolution_minutes: 120 } } });
    const ticketId = await tickets.open(await now());
    const { sender } = tickets.provider.provider;
    const send = sender!.send;
    let tries = 0;
    Object.assign(sender!, {
      send: () => {
        tries += 1;
        return Promise.reject(Object.assign(new Error('connection refused'), { name: 'Refused' }));
      },
    });
    try {
      await tickets.command(ticketId, 'reply', { text: 'Hello.' });
      await pass(ticketId, 3 * HOUR);
      expect(await tickets.eventTypes(ticketId)).toContain('sla.breached');
      await env.sleep(DAY);
    } finally {
      Object.assign(sender!, { send });
    }
    expect(tries).toBeGreaterThan(10);
    expect(await tickets.eventTypes(ticketId)).toEqual([
      'sla.warning',
      'sla.breached',
      'message.failed',
    ]);
  });
});

/** To the nearest minute: a test's own steps take a few seconds of the server's time. */
function toMinute(at: Date): string {
  return new Date(Math.round(at.getTime() / MINUTE) * MINUTE).toISOString();
}

/** Friday before and Monday after Europe puts its clocks forward, at midnight UTC; at least a week ahead. */
function weekendOfSpringClocks(from: Date): [Date, Date] {
  for (let year = from.getUTCFullYear(); ; year += 1) {
    const sunday = new Date(Date.UTC(year, 2, 31));
    sunday.setUTCDate(31 - sunday.getUTCDay());
    if (sunday.getTime() > from.getTime() + 7 * DAY)
      return [new Date(sunday.getTime() - 2 * DAY), new Date(sunday.getTime() + DAY)];
  }
}
