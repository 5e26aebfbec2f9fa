import { setTimeout as sleep } from 'node:timers/promises';

/** Repeats a check until it passes; its last failure is thrown after `withinMs`. */
export async function eventually(
  check: () => void | Promise<void>,
  withinMs = 45_000,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(50);
    }
  }
}
