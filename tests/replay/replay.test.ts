import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { DeterminismViolationError } from '@temporalio/workflow';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { workflowBundle } from '../../workers/temporal/bundle.ts';
import { FAILURE_CONVERTER_PATH } from '../../workers/temporal/data-converter.ts';
import { payloadsOf } from '../harness/histories.ts';
import type { HistoryFile } from './history-text.ts';

// Every state of every workflow that ever ran in production stays readable to the workflows of today. A history is
// added with each change of a workflow; none is ever recorded anew to make this pass.

const FOLDER = join(import.meta.dirname, 'histories');
const names = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length));
const text = (name: string) => readFileSync(join(FOLDER, `${name}.json`), 'utf8');

Runtime.install({ logger: new DefaultLogger('ERROR') });

/** What each replay ended with: nothing, or the error that a worker would have met. */
async function replayed(files: readonly HistoryFile[]): Promise<(Error | undefined)[]> {
  const results = Worker.runReplayHistories(
    {
      workflowBundle: await workflowBundle(),
      dataConverter: { failureConverterPath: FAILURE_CONVERTER_PATH },
    },
    files,
  );
  const errors: (Error | undefined)[] = [];
  for await (const { error } of results) errors.push(error);
  return errors;
}

it('every recorded history runs on the workflows of today', async () => {
  const files = names.map((name) => JSON.parse(text(name)) as HistoryFile);
  const errors = await replayed(files);
  expect(Object.fromEntries(names.map((name, at) => [name, errors[at]]))).toEqual(
    Object.fromEntries(names.map((name) => [name, undefined])),
  );
});

it('every workflow is there in each of its states', () => {
  expect(names).toEqual(
    expect.arrayContaining([
      ...['watching', 'paused', 'backing-off', 'needs-attention', 'stopped'].map(
        (state) => `mailbox-${state}`,
      ),
      ...['pushed', 'looking', 'released', 'renewal-asked'].map((state) => `mailbox-${state}`),
      ...['open', 'paused', 'replied', 'closed', 'escalated', 'follow-up', 'reopened'].map(
        (state) => `ticket-${state}`,
      ),
      ...['at-once', 'after-failures', 'given-up'].map((state) => `delivery-${state}`),
      ...['first-turn', 'later-turn'].map((state) => `dispatcher-${state}`),
      ...['sent', 'cancelled'].map((state) => `scheduled-${state}`),
      'drain',
      'sweep',
    ]),
  );
});

it.each([
  ['mailbox-watching', '"syncMailbox"', '"fetchMailbox"'],
  ['ticket-replied', '"sendMessage"', '"deliverMessage"'],
  ['delivery-given-up', '"deliverAgain"', '"deliver"'],
  ['dispatcher-later-turn', '"dispatch"', '"deliver"'],
  ['scheduled-sent', '"sendScheduled"', '"deliver"'],
])('a workflow that no longer fits is found out: %s', async (name, recorded, changed) => {
  expect(text(name)).toContain(recorded);
  const doctored = text(name).replaceAll(recorded, changed);
  const [error] = await replayed([JSON.parse(doctored) as HistoryFile]);
  expect(error).toBeInstanceOf(DeterminismViolationError);
});

it('a timer that is no longer set is found out', async () => {
  const file = JSON.parse(text('ticket-escalated')) as HistoryFile;
  const events = (file.history as { events: Record<string, unknown>[] }).events;
  const timer = events.find((event) => 'timerStartedEventAttributes' in event)!;
  timer['eventType'] = 'EVENT_TYPE_MARKER_RECORDED';
  timer['markerRecordedEventAttributes'] = {
    markerName: 'other',
    workflowTaskCompletedEventId: (timer['timerStartedEventAttributes'] as Record<string, unknown>)[
      'workflowTaskCompletedEventId'
    ],
  };
  delete timer['timerStartedEventAttributes'];
  const [error] = await replayed([file]);
  expect(error).toBeDefined();
});

it('the histories name no person and no machine', () => {
  for (const name of names) {
    const { history } = JSON.parse(text(name)) as HistoryFile;
    const payloads = payloadsOf(historyFromJSON(history)).map(({ payload }) =>
      Buffer.from(payload.data ?? []).toString('latin1'),
    );
    const whole = [text(name), ...payloads].join('\n');
    const found = [...whole.matchAll(PERSONAL)].map(([match]) => match);
    expect({ name, found }).toEqual({ name, found: [] });
    const identities = [...whole.matchAll(/"identity": "([^"]*)"/g)].map(
      ([, identity]) => identity,
    );
    expect(new Set(identities)).toEqual(new Set(['recorder']));
  }
});

/** Addresses, folders of a machine, and every word that was written in the recorded run. */
const PERSONAL =
  /[\w.+-]+@[\w-]+(\.[\w-]+)*\.[a-z]{2,}|\/(home|root|work|Users|tmp)\/|A word\.|An answer\.|A note\./gi;
