import type { ChannelProvider } from '../providers/contract.ts';

/** What a test has differ from the product in how providers are asked. */
export interface ProviderOptions {
  /** Providers of the test's own. */
  readonly findProvider?: (name: string) => ChannelProvider | undefined;
  /** How long a vendor's first report is waited for, in milliseconds. */
  readonly receiptWithinMs?: number;
  /** How soon an answer that is held back looks whether it may go, in milliseconds. */
  readonly heldAgainMs?: number;
}
