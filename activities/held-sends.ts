import type { LoadedChannel } from '../db/queries/channels.ts';
import { ProviderFailure } from '../domain/failure.ts';
import { standingRefusal } from '../domain/refusal.ts';

export interface Hold {
  readonly code: string;
  /** Shown with the message. */
  readonly detail: string;
}

/** Why an answer stays queued for now: the channel rests, or its vendor refused another one a moment ago. */
export function holdOn(channel: LoadedChannel, now: Date): Hold | null {
  if (channel.desiredState !== 'running') return RESTING[channel.desiredState];
  const refusal = standingRefusal(channel, 'send', now);
  return refusal && { code: refusal.type, detail: refusal.detail };
}

const RESTING: Readonly<Record<'paused' | 'stopped', Hold>> = {
  paused: {
    code: 'channel.paused',
    detail: 'The channel is paused: the answer goes out once it is resumed, within a day.',
  },
  stopped: {
    code: 'channel.stopped',
    detail: 'The channel is stopped: the answer goes out once it is started again, within a day.',
  },
};

/** The attempt ends without asking anybody, and comes back. */
export function heldFor({ code, detail }: Hold, againMs: number): ProviderFailure {
  return new ProviderFailure({ code, class: 'wait', message: detail, retryAfterMs: againMs });
}
