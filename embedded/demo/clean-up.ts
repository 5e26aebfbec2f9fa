/** What was made on the way, to be undone in reverse. */
export class CleanUp {
  readonly #steps: { what: string; undo: () => Promise<void> }[] = [];

  /** @param what completes "… could not be removed" */
  add(what: string, undo: () => Promise<void>): void {
    this.#steps.push({ what, undo });
  }

  /** Undoes all it can; returns what could not be undone, with its reason. */
  async run(): Promise<string[]> {
    const left: string[] = [];
    for (const { what, undo } of this.#steps.splice(0).toReversed()) {
      try {
        await undo();
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        left.push(`${what} could not be removed: ${reason}`);
      }
    }
    return left;
  }
}
