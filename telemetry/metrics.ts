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

export const sourcesAccepted = new Counter({
  name: 'postroom_door_sources_total',
  help: 'Sources that a door stored and said yes to.',
  labelNames: ['provider'],
  registers: [registry],
});
