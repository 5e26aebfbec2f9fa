import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { newId } from '../ids.ts';
import { mintMessageId, readMessageId } from './message-id.ts';

const key = randomBytes(32);
const tenantId = newId('tenant');
const ticketId = newId('ticket');
const messageId = newId('message');
const minted = mintMessageId({ tenantId, ticketId, messageId, key, domain: 'Help.Example' });

describe('our Message-ID', () => {
  it('names its ticket and message', () => {
    expect(readMessageId(minted, key, tenantId)).toEqual({ ticketId, messageId });
  });

  it('is read with brackets, in capitals and from another domain', () => {
    expect(readMessageId(`<${minted}>`, key, tenantId)?.ticketId).toBe(ticketId);
    expect(readMessageId(minted.toUpperCase(), key, tenantId)?.ticketId).toBe(ticketId);
    expect(
      readMessageId(minted.replace('help.example', 'relay.test'), key, tenantId),
    ).not.toBeNull();
  });

  it('has a lower-case domain and no brackets', () => {
    expect(minted).toMatch(/^[0-9a-z.]+@help\.example$/);
  });

  it('is refused with another ticket, key or tenant', () => {
    const forged = minted.replace(minted.slice(0, 26), newId('ticket').slice(4).toLowerCase());
    expect(readMessageId(forged, key, tenantId)).toBeNull();
    expect(readMessageId(minted, randomBytes(32), tenantId)).toBeNull();
    expect(readMessageId(minted, key, newId('tenant'))).toBeNull();
  });

  it('is not seen in ids of others', () => {
    for (const id of ['', 'a@b', '.@', `${'0'.repeat(26)}.x@y`]) {
      expect(readMessageId(id, key, tenantId)).toBeNull();
    }
  });
});
