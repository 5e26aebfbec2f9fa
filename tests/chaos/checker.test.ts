import { describe, expect, it } from '@jest/globals';
import { answered, deliveries, lateness, mailFaults, sequenceFaults } from './checker.ts';
import type { EventFact, Evidence } from './evidence.ts';
import type { Expected } from './moments.ts';
import type { Stage } from './stage.ts';

// What the checker must see: a chaos that finds nothing is worth as much as its checker.

const DUE = Date.parse('2026-01-05T08:00:06Z');

const whole: Evidence = {
  sources: [source('a', 'ingested', 'm1'), source('b', 'ingested', 'm2')],
  inbound: [
    { id: 'm1', ticketId: 't1' },
    { id: 'm2', ticketId: 't1' },
  ],
  outbound: [{ id: 'm3', status: 'sent', messageId: 'answer@example.test' }],
  tickets: [{ id: 't1', sequence: 3 }],
  channels: [],
  events: [
    event(1, 'sla.warning', DUE - 3_000),
    event(2, 'sla.breached', DUE),
    event(3, 'ticket.escalated', DUE + 1_200),
  ],
  deliveries: [1, 2, 3].map((n) => ({ eventId: `e${n}`, status: 'delivered' })),
  outbox: [],
};
const expected: Expected = {
  mails: [
    { sha256: 'a', thread: 'one' },
    { sha256: 'b', thread: 'one' },
  ],
  answers: ['m3'],
  targetSeconds: 6,
};

describe('mails', () => {
  it('are as they must be', () => {
    expect(mailFaults(whole, expected)).toEqual([]);
  });

  it.each<[string, Partial<Evidence>]>([
    ['lost', { sources: whole.sources.slice(1), inbound: whole.inbound.slice(1) }],
    ['doubled', { inbound: [...whole.inbound, { id: 'm9', ticketId: 't1' }] }],
    ['set aside', { sources: [source('a', 'set_aside', null), whole.sources[1]!] }],
    ['nobody’s', { sources: [...whole.sources, source('z', 'ingested', 'm1')] }],
    [
      'torn into two tickets',
      {
        inbound: [whole.inbound[0]!, { id: 'm2', ticketId: 't2' }],
        tickets: [...whole.tickets, { id: 't2', sequence: 0 }],
      },
    ],
    ['beside an empty ticket', { tickets: [...whole.tickets, { id: 't2', sequence: 0 }] }],
  ])('%s', (_what, changed) => {
    expect(mailFaults({ ...whole, ...changed }, expected)).not.toEqual([]);
  });

  it('of two conversations on one ticket', () => {
    const mails = [expected.mails[0]!, { sha256: 'b', thread: 'two' }];
    expect(mailFaults(whole, { ...expected, mails })).not.toEqual([]);
  });
});

describe('sequences', () => {
  it('have no gaps', () => {
    expect(sequenceFaults(whole)).toEqual([]);
    expect(sequenceFaults({ ...whole, events: whole.events.slice(1) })).toHaveLength(1);
    expect(sequenceFaults({ ...whole, tickets: [{ id: 't1', sequence: 4 }] })).toHaveLength(1);
  });
});

describe('answers', () => {
  const arrived = (times: number) =>
    stage({ mails: Array.from({ length: times }, () => '<answer@example.test>') });

  it('arrive once', () => {
    expect(answered(arrived(1), whole, expected).faults).toEqual([]);
    expect(answered(arrived(0), whole, expected).faults).toHaveLength(1);
    expect(answered(arrived(2), whole, expected).faults).toHaveLength(1);
  });

  it('in doubt say so', () => {
    const outbound = [{ ...whole.outbound[0]!, status: 'uncertain' }];
    const told = {
      ...event(4, 'message.failed', DUE),
      data: { message: { id: 'm3' }, uncertain: true },
    };
    const silent = { ...whole, outbound };
    expect(answered(arrived(1), silent, expected).faults).toHaveLength(1);
    const open = { ...silent, events: [...whole.events, told] };
    expect(answered(arrived(1), open, expected)).toMatchObject({ faults: [], uncertain: 1 });
    expect(answered(arrived(2), open, expected).faults).toHaveLength(1);
  });
});

describe('deliveries', () => {
  const posted = (...posts: [string, string][]) => stage({ posts });

  it('come at least once under one id with one body', () => {
    const all: [string, string][] = [
      ['e1', '1'],
      ['e2', '2'],
      ['e3', '3'],
    ];
    expect(deliveries(posted(...all, ['e1', '1']), whole)).toEqual({ faults: [], repeated: 1 });
    expect(deliveries(posted(...all.slice(1)), whole).faults).toHaveLength(1);
    expect(deliveries(posted(...all, ['e9', '9']), whole).faults).toHaveLength(1);
    expect(deliveries(posted(...all, ['e1', 'other']), whole).faults).toHaveLength(1);
  });

  it('are not given up', () => {
    const failed = whole.deliveries.map((delivery) => ({ ...delivery, status: 'failed' }));
    const all = posted(['e1', '1'], ['e2', '2'], ['e3', '3']);
    expect(deliveries(all, { ...whole, deliveries: failed }).faults).toHaveLength(1);
  });
});

describe('clocks', () => {
  const withBreachAt = (at: number) => ({
    ...whole,
    events: whole.events.map((one) =>
      one.type === 'sla.breached' ? { ...one, committedAt: new Date(at) } : one,
    ),
  });
  const faults = (evidence: Evidence, backAt = DUE - 10_000) =>
    lateness(evidence, [], expected, { at: backAt, stalledMs: 0 }).faults;

  it('ring once and on time', () => {
    expect(faults(whole)).toEqual([]);
    expect(faults(withBreachAt(DUE - 100))).toHaveLength(1);
    expect(faults(withBreachAt(DUE + 1_500))).toHaveLength(1);
    expect(faults(withBreachAt(DUE + 1_500), DUE + 1_000)).toEqual([]);
    expect(faults({ ...whole, events: whole.events.slice(1) })).toHaveLength(1);
    expect(faults({ ...whole, events: [...whole.events, whole.events[1]!] })).toHaveLength(1);
  });
});

function source(sha256: string, status: string, messageId: string | null) {
  return { sha256, status, messageId };
}

function event(sequence: number, type: string, at: number): EventFact {
  return {
    id: `e${sequence}`,
    type,
    ticketId: 't1',
    sequence,
    data: { sla: { metric: 'first_response', due_at: new Date(DUE).toISOString() } },
    committedAt: new Date(at),
  };
}

/** The outside as far as the checker looks at it. */
function stage({
  mails = [],
  posts = [],
}: {
  mails?: string[];
  posts?: [string, string][];
}): Stage {
  return {
    hooks: ['/hook'],
    customers: { mails: mails.map((id) => ({ raw: Buffer.from(`Message-ID: ${id}\r\n\r\n`) })) },
    receivers: {
      requests: posts.map(([id, body]) => ({
        path: '/hook',
        headers: { 'webhook-id': id },
        body: Buffer.from(body),
      })),
    },
  } as unknown as Stage;
}
