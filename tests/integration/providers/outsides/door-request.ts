import type { DoorRequest } from '../../../../providers/contract.ts';
import type { DoorCall } from '../../../../simulators/mail-cloud.ts';

/** A simulator's call as a door gets it. */
export function requestOf({ url, headers, body }: DoorCall): DoorRequest {
  return {
    method: 'POST',
    headers,
    query: Object.fromEntries(new URL(url).searchParams),
    body,
    receivedAt: new Date(),
  };
}
