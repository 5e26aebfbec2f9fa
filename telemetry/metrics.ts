import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client';

/** Everything `/metrics` shows; labels never hold an address, an id or a path with either. */
export const registry = new Registry();
collectDefaultMetrics({ register: registry, prefix: 'postroom_' });

export const httpSeconds = new Histogram({
  name: 'postroom_http_request_duration_seconds',
  help: 'Time to answer an HTTP request, by route template.',
  labelNames: ['method', 'route', 'status'],
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  registers: [registry],
});

export const doorRefusals = new Counter({
  name: 'postroom_door_refusals_total',
  help: 'Calls that a door did not let in.',
  labelNames: ['provider', 'code'],
  registers: [registry],
});

export const doorStrangers = new Counter({
  name: 'postroom_door_strangers_total',
  help: 'Accounts that a vendor’s authentic calls spoke of at a shared door, and that no channel has.',
  labelNames: ['door'],
  registers: [registry],
});

export const doorUnreadable = new Counter({
  name: 'postroom_door_unreadable_total',
  help: 'Parts of a vendor’s authentic calls that could not be read: set_aside with their channel, or lost where they named no account.',
  labelNames: ['provider', 'outcome'],
  registers: [registry],
});

export const sourcesAccepted = new Counter({
  name: 'postroom_door_sources_total',
  help: 'Sources that a door stored and said yes to.',
  labelNames: ['provider'],
  registers: [registry],
});

/** How long something waited: from within a second to the hours of an outage. */
const WAITING_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200];

export const doorSeconds = new Histogram({
  name: 'postroom_door_duration_seconds',
  help: 'Time to take one call or mail, by door (mime, smtp, a vendor) and what was said: accepted, refused (do not send it again), later (could not be stored).',
  labelNames: ['door', 'outcome'],
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  registers: [registry],
});

/** Measures a door; nothing is counted before the sender has its answer. */
export function doorAnswered(door: string, outcome: DoorOutcome, began: number): void {
  doorSeconds.observe({ door, outcome }, (performance.now() - began) / 1000);
}
export type DoorOutcome = 'accepted' | 'refused' | 'later';

export const gaveWay = new Counter({
  name: 'postroom_gave_way_seconds_total',
  help: 'Time that work on what doors had taken waited, while the doors of its process were busy.',
  registers: [registry],
});

export const ingestDelay = new Histogram({
  name: 'postroom_ingest_delay_seconds',
  help: 'From storing a source to its message on a ticket.',
  labelNames: ['provider'],
  buckets: WAITING_BUCKETS,
  registers: [registry],
});

export const setAsideSources = new Counter({
  name: 'postroom_sources_set_aside_total',
  help: 'Sources that could not be processed, by the step that failed: parse, store.',
  labelNames: ['provider', 'step'],
  registers: [registry],
});

export const sourcesFiltered = new Counter({
  name: 'postroom_sources_filtered_total',
  help: 'Mail that a channel’s rules or its door turned away, by what did: allowlist, blocklist, subject_keywords, rule, door. It is kept in the journal.',
  labelNames: ['provider', 'by'],
  registers: [registry],
});

export const providerSeconds = new Histogram({
  name: 'postroom_provider_duration_seconds',
  help: 'One sync, one attempt to send or one renewal of push, by what came of it: ok, or the class of the error (retry, wait, reauthenticate, give_up; fault: not the provider’s).',
  labelNames: ['provider', 'operation', 'outcome'],
  buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800],
  registers: [registry],
});

export const messagesFailed = new Counter({
  name: 'postroom_messages_failed_total',
  help: 'Answers that were given up, by the failure’s code; uncertain: they may have gone out all the same; delivery.…: the vendor reported it later.',
  labelNames: ['provider', 'reason'],
  registers: [registry],
});

export const messagesUnconfirmed = new Counter({
  name: 'postroom_messages_unconfirmed_total',
  help: 'Answers that a chat’s vendor accepted, and of which it has reported nothing in time.',
  labelNames: ['provider'],
  registers: [registry],
});

export const messagesRefused = new Counter({
  name: 'postroom_messages_refused_total',
  help: 'Answers that were not queued, or not set for a time, because the channel may not send them so, by the refusal’s code.',
  labelNames: ['provider', 'reason'],
  registers: [registry],
});

export const customersUntold = new Counter({
  name: 'postroom_customers_untold_total',
  help: 'What a chat’s customer should have been told of a ticket by itself and was not, by the code of the refusal.',
  labelNames: ['provider', 'reason'],
  registers: [registry],
});

export const slaOccurrences = new Counter({
  name: 'postroom_sla_occurrences_total',
  help: 'What SLA clocks announced: warning, breach, escalation.',
  labelNames: ['metric', 'type'],
  registers: [registry],
});

export const slaLateness = new Histogram({
  name: 'postroom_sla_lateness_seconds',
  help: 'From the moment a breach was due to its announcement.',
  labelNames: ['metric'],
  buckets: WAITING_BUCKETS,
  registers: [registry],
});
