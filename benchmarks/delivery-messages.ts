/** The clock that the processes of a benchmark share, in milliseconds. */
export const now = (): number => performance.timeOrigin + performance.now();

export interface Received {
  readonly requests: number;
  readonly ids: number;
  /** When the last one came, on the clock of `now`. */
  readonly last: number;
  readonly delays: readonly number[];
}

export type ReceiverRequest =
  { readonly ask: 'reset'; readonly failing?: number } | { readonly ask: 'received' };

export interface Raise {
  readonly tenantId: string;
  readonly events: number;
  readonly perTransaction: number;
  /** Transactions under way at once; their hand-over included. */
  readonly writers: number;
  /** Transactions a second; as many as go when missing. */
  readonly rate?: number;
}
