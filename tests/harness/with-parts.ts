import { offerParts } from './parts.ts';

/** Runs work with servers of its own, where no test run offers any. */
export async function withParts(work: () => Promise<void>): Promise<void> {
  const parts = await offerParts();
  process.env.POSTROOM_TEST_PARTS = parts.url;
  try {
    await work();
  } finally {
    await parts.stop();
  }
}
