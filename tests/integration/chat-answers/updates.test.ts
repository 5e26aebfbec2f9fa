import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { inTenant } from '../../../db/connection.ts';
import { newId } from '../../../domain/ids.ts';
import { customersUntold } from '../../../telemetry/metrics.ts';
import type { CommandUpdate } from '../../../workflows/contracts/ticket.ts';
import { ticketSteps, type TicketSteps } from '../../workflow/ticket-steps.ts';
import { startTestApi, type TestApi } from '../api-fixture.ts';
import { ChatOutside, CUSTOMER, HOUR, openChat, seedChat, type ChatSeed } from './chat-seed.ts';

describe('what a customer is told of a ticket', () => {
  let api: TestApi;
  let seed: ChatSeed;
  let steps: TicketSteps;
  let ticketId: string;
  const provider = new ChatOutside().provider();

  beforeAll(async () => {
    api = await startTestApi();
    seed = await seedChat(api.db, 'updates');
    steps = ticketSteps(api.deps, seed.tenantId, () => ({ findProvider: () => provider }));
  });
  afterAll(() => api.close());
  beforeEach(async () => {
    ({ ticketId } = await openChat(api.db, seed));
  });

  const inDb = <T>(work: Parameters<typeof inTenant<T>>[2]) =>
    inTenant(api.db, seed.tenantId, work);
  const settings = (given: object) =>
    inDb((tx) =>
      tx
        .updateTable('channels')
        .set({ settings: JSON.stringify(given) })
        .where('id', '=', seed.channelId)
        .execute(),
    );
  const change = async (kind: CommandUpdate, payload: Record<string, unknown>) =>
    (await steps.apply(ticketId, kind, payload)).snapshot!;
  const told = async () =>
    (
      await inDb((tx) =>
        tx
          .selectFrom('messages')
          .select(['kind', 'status', 'body'])
          .where('ticket_id', '=', ticketId)
          .where('direction', '=', 'outbound')
          .orderBy('id')
          .execute(),
      )
    ).map(({ kind, status, body }) => ({ kind, status, ...(body as { content: string }) }));
  const untold = async () =>
    (
      await inDb((tx) =>
        tx
          .selectFrom('audit')
          .select('reason')
          .where('ticket_id', '=', ticketId)
          .where('action', '=', 'customer.not_told')
          .execute(),
      )
    ).map(({ reason }) => reason);
  const conversation = (change: { window_ends_at?: Date; opted_out_at?: Date }) =>
    inDb((tx) =>
      tx.updateTable('conversations').set(change).where('address', '=', CUSTOMER).execute(),
    );
  const windowEnded = () => conversation({ window_ends_at: new Date(Date.now() - HOUR) });

  it('nothing, where the channel does not say so', async () => {
    await settings({});
    await change('setStatus', { status: 'resolved' });
    expect(await told()).toEqual([]);
    expect(await untold()).toEqual([]);
  });

  it('that it is resolved and open again, in words of ours, to be sent by the ticket itself', async () => {
    await settings({ notifications_enabled: true });
    const snapshot = await change('setStatus', { status: 'resolved' });
    expect(snapshot.outgoing).toHaveLength(1);
    await change('setPriority', { priority: 'high' });
    await change('setStatus', { status: 'open' });
    expect(await told()).toMatchObject([
      {
        kind: 'notification',
        status: 'queued',
        content: expect.stringMatching(/^Your request \d+ has been resolved/),
      },
      { content: expect.stringMatching(/^Your request \d+ is open again/) },
    ]);
  });

  it('nothing while the channel is stopped, and the timeline says so', async () => {
    await settings({ notifications_enabled: true });
    const want = (desired_state: 'running' | 'stopped') =>
      inDb((tx) =>
        tx
          .updateTable('channels')
          .set({ desired_state })
          .where('id', '=', seed.channelId)
          .execute(),
      );
    await want('stopped');
    await change('setStatus', { status: 'resolved' });
    await want('running');
    expect(await told()).toEqual([]);
    expect(await untold()).toEqual(['ticket.resolved: The channel is stopped.']);
  });

  const MESSAGES = {
    'ticket.resolved': {
      text: 'Done: {{ticket.subject}}',
      template: 'order_update',
      values: { 1: '{{customer.name}}', 2: '{{ticket.number}}' },
    },
    'ticket.assigned': { template: 'order_update', values: { 1: 'x', 2: 'y' } },
    'ticket.reopened': null,
    'ticket.closed': 'offer',
  };

  it('text inside the window, the template after it', async () => {
    await settings({ notifications_enabled: true, template_messages: MESSAGES });
    await change('setStatus', { status: 'resolved' });
    await change('setStatus', { status: 'open' });
    await windowEnded();
    await change('setStatus', { status: 'resolved' });
    const [inside, after, ...more] = await told();
    expect(inside).toMatchObject({
      content: 'Done: Where is my order?',
      metadata: { platform_specific: { message_type: 'text' } },
    });
    expect(after).toMatchObject({
      content: expect.stringMatching(/^Hello Ada, order \d+ is ready\.$/),
      metadata: {
        platform_specific: {
          message_type: 'template',
          template: { name: 'order_update', language: 'en_US', values: { 'body.1': 'Ada' } },
        },
      },
    });
    expect(more).toEqual([]);
  });

  it('the template’s own words as text while the window is open', async () => {
    await settings({ notifications_enabled: true, template_messages: MESSAGES });
    const agent = newId('agent');
    await inDb((tx) =>
      tx
        .insertInto('agents')
        .values({ id: agent, tenant_id: seed.tenantId, name: 'Grace' })
        .execute(),
    );
    await change('assign', { assignee_id: agent });
    expect(await told()).toMatchObject([
      {
        content: 'Hello x, order y is ready.',
        metadata: { platform_specific: { message_type: 'text' } },
      },
    ]);
  });

  it('nothing to whoever asked for silence, and the audit trail says why', async () => {
    await settings({ notifications_enabled: true, template_messages: MESSAGES });
    await conversation({ opted_out_at: new Date() });
    await change('setStatus', { status: 'resolved' });
    expect(await told()).toEqual([]);
    expect(await untold()).toEqual([expect.stringMatching(/^ticket\.resolved: .*nothing more/)]);
  });

  it('nothing by a template that may not be sent, nor by text after the window', async () => {
    await settings({ notifications_enabled: true, template_messages: MESSAGES });
    await windowEnded();
    await change('setStatus', { status: 'closed' });
    await settings({ notifications_enabled: true });
    await change('setStatus', { status: 'open' });
    expect(await told()).toEqual([]);
    expect(await untold()).toEqual([
      expect.stringMatching(/^ticket\.closed: .*"offer".*rejected/),
      expect.stringMatching(/^ticket\.reopened: The window for free text ended/),
    ]);
    const counted = (await customersUntold.get()).values;
    const times = (reason: string) =>
      counted.find(({ labels }) => labels.reason === reason)?.value ?? 0;
    expect([times('template_not_approved'), times('window_closed')]).toEqual([1, 1]);
  });

  it('somebody whose name isn’t known is told all the same', async () => {
    const named = (name: string | null) =>
      inDb((tx) =>
        tx.updateTable('contacts').set({ name }).where('id', '=', seed.contactId).execute(),
      );
    await named(null);
    await settings({ notifications_enabled: true, template_messages: MESSAGES });
    await windowEnded();
    await change('setStatus', { status: 'resolved' });
    await settings({
      notifications_enabled: true,
      template_messages: {
        'ticket.reopened': {
          template: 'order_update',
          values: { 1: '{{customer.name|there}}', 2: '{{ticket.number}}' },
        },
      },
    });
    await change('setStatus', { status: 'open' });
    // Somebody who is known by an id alone, and where nothing is named to stand in place of the name.
    await settings({ notifications_enabled: true, template_messages: MESSAGES });
    const addressed = (from: string, to: string) =>
      inDb((tx) =>
        tx.updateTable('conversations').set({ address: to }).where('address', '=', from).execute(),
      );
    await addressed(CUSTOMER, '24680135');
    await change('setStatus', { status: 'resolved' });
    await addressed('24680135', CUSTOMER);
    expect((await told()).map(({ content }) => content)).toEqual([
      expect.stringMatching(/^Hello \+4915112345678, order \d+ is ready\.$/),
      expect.stringMatching(/^Hello there, order \d+ is ready\.$/),
      expect.stringMatching(/^Hello customer, order \d+ is ready\.$/),
    ]);
    expect(await untold()).toEqual([]);
    await named('Ada');
  });
});
