import type { ActivityOptions, LocalActivityOptions } from '@temporalio/common';

// Named profiles, each with its reason. Workflows import these and nothing else from here.

/**
 * One short transaction in our own Postgres: local, so that it costs one marker. Tried every half second while the
 * database is away, so that no clock is late by more once it is back; a workflow that waits so writes 23 events a minute.
 */
export const DATABASE: LocalActivityOptions = {
  startToCloseTimeout: '20 seconds',
  scheduleToCloseTimeout: '1 day',
  localRetryThreshold: '10 seconds',
  retry: {
    initialInterval: '200 milliseconds',
    maximumInterval: '500 milliseconds',
    backoffCoefficient: 2,
  },
};

/**
 * One sync of a mailbox: as long as it heartbeats, so that a killed worker's is taken over within seconds; three quick
 * tries, then the workflow names the state and backs off.
 */
export const SYNC: ActivityOptions = {
  startToCloseTimeout: '12 hours',
  heartbeatTimeout: '20 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '15 seconds', maximumAttempts: 3 },
};

/** Waiting for mail: hours of heartbeats; a worker's restart must not spend its tries, so they are not counted. */
export const WAIT: ActivityOptions = {
  startToCloseTimeout: '7 hours',
  heartbeatTimeout: '40 seconds',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute' },
};

/** Renewing a push subscription: one or two requests; the workflow itself comes back where it fails. */
export const RENEW: ActivityOptions = {
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: '20 seconds',
  // What it made is written down before anybody ends it.
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: { initialInterval: '2 seconds', maximumInterval: '15 seconds', maximumAttempts: 3 },
};

/** Ending one: tried for an hour, after which it is left to expire. */
export const RELEASE: ActivityOptions = {
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: '20 seconds',
  scheduleToCloseTimeout: '1 hour',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: { initialInterval: '5 seconds', maximumInterval: '5 minutes' },
};

/** Handing an answer to a provider: tried for a day, at intervals up to ten minutes; the provider's class of error ends it sooner. */
export const SEND: ActivityOptions = {
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '30 seconds',
  scheduleToCloseTimeout: '24 hours',
  retry: { initialInterval: '5 seconds', maximumInterval: '10 minutes', backoffCoefficient: 2 },
};

/**
 * Telling a ticket to send what was set for a time: as often as it takes while its workflow can't answer; the activity
 * itself gives up what is a day late.
 */
export const SEND_SCHEDULED: ActivityOptions = {
  startToCloseTimeout: '1 minute',
  // A worker killed in mid-call is noticed by its silence.
  heartbeatTimeout: '10 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute', backoffCoefficient: 2 },
};

/** The first attempt at a delivery: local and once, so that a delivery that succeeds at once costs six events. */
export const DELIVER_FIRST: LocalActivityOptions = {
  startToCloseTimeout: '70 seconds',
  retry: { maximumAttempts: 1 },
};

/** The further attempts: the activity itself says when the next is due and when to give up; these intervals are for faults of our own. */
export const DELIVER_AGAIN: ActivityOptions = {
  startToCloseTimeout: '70 seconds',
  // A worker killed in mid-attempt is noticed by its silence.
  heartbeatTimeout: '10 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '30 seconds', backoffCoefficient: 2 },
};

/** A turn through all tenants: as long as it heartbeats; what a turn leaves the next one does. */
export const SWEEP: ActivityOptions = {
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: '60 seconds',
  retry: { initialInterval: '5 seconds', maximumInterval: '1 minute', maximumAttempts: 10 },
};

/** The dispatcher: hours of heartbeats; a worker killed with it is replaced within seconds, however often that happens. */
export const DISPATCH: ActivityOptions = {
  startToCloseTimeout: '7 hours',
  heartbeatTimeout: '10 seconds',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: { initialInterval: '200 milliseconds', maximumInterval: '5 seconds' },
};
