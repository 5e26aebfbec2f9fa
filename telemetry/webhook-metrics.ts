import { Counter, Histogram } from 'prom-client';
import { registry } from './metrics.ts';

export const webhookAttempts = new Counter({
  name: 'postroom_webhook_attempts_total',
  help: 'Webhook attempts on record, by what became of the delivery: delivered, pending (tried again), failed (given up).',
  labelNames: ['outcome'],
  registers: [registry],
});

export const webhookSeconds = new Histogram({
  name: 'postroom_webhook_attempt_duration_seconds',
  help: 'From connecting to the end of the answer.',
  buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  registers: [registry],
});

export const webhookDelay = new Histogram({
  name: 'postroom_webhook_delay_seconds',
  help: 'From the moment an attempt was due to its beginning: first (from the event) or again (from the planned retry).',
  labelNames: ['attempt'],
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800],
  registers: [registry],
});
