import { DefaultFailureConverter } from '@temporalio/common';

/** Loaded by path in worker, client and bundle alike: without it error texts stay readable in history. */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
