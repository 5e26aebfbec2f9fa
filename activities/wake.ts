/** Remembers that it was raised until somebody has waited for it; many raises are one. */
export class Wake {
  #raised = false;
  #waiting: (() => void) | null = null;

  raise(): void {
    this.#raised = true;
    this.#waiting?.();
  }

  /** Until it is raised, at most so long. */
  async wait(atMostMs: number): Promise<void> {
    if (!this.#raised) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting = resolve;
      const timer = setTimeout(resolve, atMostMs);
      await promise;
      clearTimeout(timer);
      this.#waiting = null;
    }
    this.#raised = false;
  }
}
