import { workflowInfo, type WorkflowInterceptorsFactory } from '@temporalio/workflow';

/** Longer than the five seconds between two heartbeats of an activity that lives. */
const SILENCE = '7 seconds';
/** A worker that knows nothing reads the history anew at each task. */
const LONG_HISTORY = 250;

/**
 * What keeps a story with killed workers short. No time is skipped while an activity runs, not even one whose worker was
 * killed: what it takes to notice that is waited out, so it is shorter than in activities/options.ts. And histories are
 * continued as new sooner.
 */
export const interceptors: WorkflowInterceptorsFactory = () => ({
  outbound: [
    {
      scheduleActivity(input, next) {
        if (input.options.heartbeatTimeout === undefined) return next(input);
        return next({ ...input, options: { ...input.options, heartbeatTimeout: SILENCE } });
      },
    },
  ],
  internals: [
    {
      activate(input, next) {
        const info = workflowInfo();
        if (info.historyLength > LONG_HISTORY)
          Object.assign(info, { continueAsNewSuggested: true });
        next(input);
      },
    },
  ],
});
