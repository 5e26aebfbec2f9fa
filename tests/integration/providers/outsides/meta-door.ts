import { createHmac } from 'node:crypto';
import type { DoorRequest } from '../../../../providers/contract.ts';
import type { DoorOutside } from './contract.ts';

interface DoorSettings {
  readonly app_secret: string;
  readonly verify_token: string;
}

function signed(body: Buffer, secret: string): DoorRequest {
  const signature = createHmac('sha256', secret).update(body).digest('hex');
  return {
    method: 'POST',
    headers: { 'x-hub-signature-256': `sha256=${signature}` },
    query: {},
    body,
    receivedAt: new Date(),
  };
}

/**
 * The door that Meta calls for a number, or a page.
 * @param bodyOf a message as Meta's webhook brings it, its text the suite's own
 */
export function metaDoor(settings: DoorSettings, bodyOf: (raw: Buffer) => Buffer): DoorOutside {
  const authentic = (raw: Buffer) => signed(bodyOf(raw), settings.app_secret);
  return {
    settings,
    authentic,
    forged: (raw) => {
      const call = authentic(raw);
      const handshake = (query: Record<string, string>): DoorRequest => ({
        ...call,
        method: 'GET',
        body: Buffer.alloc(0),
        query: { 'hub.mode': 'subscribe', 'hub.challenge': '1', ...query },
      });
      return {
        unsigned: { ...call, headers: {} },
        'signed by another app': signed(bodyOf(raw), 'other'),
        altered: { ...call, body: bodyOf(Buffer.from('other')) },
        'of the former signature': {
          ...call,
          headers: { 'x-hub-signature': `sha1=${'0'.repeat(40)}` },
        },
        'a handshake with another token': handshake({ 'hub.verify_token': 'other' }),
        'a handshake without a token': handshake({}),
      };
    },
    brings: (raw) => ({ sources: [bodyOf(raw)] }),
    close: () => Promise.resolve(),
  };
}
