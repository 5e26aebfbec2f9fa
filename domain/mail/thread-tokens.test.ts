import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { newId } from '../ids.ts';
import {
  plusAddress,
  readPlusAddress,
  readTicketTokens,
  splitPlusAddress,
  ticketToken,
} from './thread-tokens.ts';

const secret = { tenantId: newId('tenant'), key: randomBytes(32) };
const ticketId = newId('ticket');

describe('plus address of a ticket', () => {
  const address = plusAddress('support@example.com', ticketId, secret);

  it('names its ticket, whatever the letter case', () => {
    expect(readPlusAddress(address, secret)).toBe(ticketId);
    expect(readPlusAddress(address.toUpperCase(), secret)).toBe(ticketId);
  });

  it('fits into the 64 characters of a local part with a channel name of ten', () => {
    expect(plusAddress('x'.repeat(10), ticketId, secret).length).toBeLessThanOrEqual(64);
  });

  it('is refused with an altered hash, another ticket or another tenant', () => {
    expect(
      readPlusAddress(
        address.replace(/.@/, (end) => (end === '0@' ? '1@' : '0@')),
        secret,
      ),
    ).toBeNull();
    expect(readPlusAddress(address, { ...secret, tenantId: newId('tenant') })).toBeNull();
    expect(readPlusAddress('support+123@example.com', secret)).toBeNull();
  });
});

describe('splitPlusAddress', () => {
  it('takes the tag off', () => {
    expect(splitPlusAddress('Support+a+b@Example.com')).toEqual({
      base: 'Support@example.com',
      tag: 'a+b',
    });
    expect(splitPlusAddress('support@example.com')).toBeNull();
  });
});

describe('ticket token', () => {
  it('is read back from a subject', () => {
    expect(readTicketTokens(`Re: broken ${ticketToken(12)} [#7] [#12] #9 [#x]`)).toEqual([12, 7]);
  });
});
