const RealDate = Date;
let ahead = 0;

/** The process's clock, ahead of the machine's; timers keep the machine's pace. */
class MovedDate extends RealDate {
  constructor(...given: []) {
    // Whatever Date takes: the type names the one form that reads the clock.
    super(...((given.length === 0 ? [MovedDate.now()] : given) as []));
  }

  static override now(): number {
    return RealDate.now() + ahead;
  }

  /** Dates that were made before. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return Object.prototype.toString.call(value) === '[object Date]';
  }
}

/** From now on this process goes by a clock of its own, so that a vendor's simulator and a worker live in the server's time. */
export function moveClock(): void {
  globalThis.Date = MovedDate as DateConstructor; // not called as a function here
}

/** Never backwards. @param nowMs what the server says it is */
export function clockIs(nowMs: number): void {
  ahead = Math.max(ahead, nowMs - RealDate.now());
}

/** For the tests that follow in the same process. */
export function restoreClock(): void {
  ahead = 0;
  globalThis.Date = RealDate;
}
