import { describe, expect, it } from '@jest/globals';
import { newId, type TicketId } from './ids.ts';
import { matchThread, type KnownMessageId, type ThreadKeys, type ThreadLookups } from './thread.ts';

const adas = newId('ticket');
const bobs = newId('ticket');
const participants = new Map<TicketId, string[]>([
  [adas, ['ada@example.com', 'carl@example.com']],
  [bobs, ['bob@example.org']],
]);
const messageIds = new Map<string, KnownMessageId>([
  ['ours@help', { ticketId: adas, origin: 'minted' }],
  ['first@ada', { ticketId: adas, origin: 'received' }],
  ['unseen@ada', { ticketId: adas, origin: 'referenced' }],
  ['first@bob', { ticketId: bobs, origin: 'received' }],
]);
const nothing: ThreadKeys = {
  sender: 'ada@example.com',
  messageId: null,
  references: [],
  inReplyTo: [],
};
const lookups: ThreadLookups = {
  messageIds,
  mintedTokens: [],
  plusAddresses: [],
  ticketTokens: [],
  participants,
};

describe('matchThread', () => {
  it('takes the newest known reference first', () => {
    const keys = { ...nothing, references: ['unknown@x', 'first@ada'], inReplyTo: ['ours@help'] };
    expect(matchThread(keys, lookups)).toEqual({ ticketId: adas, by: 'references' });
  });

  it('falls back to In-Reply-To', () => {
    expect(matchThread({ ...nothing, inReplyTo: ['first@ada'] }, lookups)?.by).toBe('in_reply_to');
  });

  it("lets a CC'd person in, whatever the letter case", () => {
    const keys = { ...nothing, sender: 'Carl@Example.com', references: ['first@ada'] };
    expect(matchThread(keys, lookups)?.ticketId).toBe(adas);
  });

  it('lets anybody in who was given a mail of ours', () => {
    const keys = { ...nothing, sender: 'ada@home.test', references: ['ours@help'] };
    expect(matchThread(keys, lookups)).toEqual({ ticketId: adas, by: 'references' });
    const rewritten = { ...lookups, mintedTokens: [adas] };
    expect(matchThread({ ...nothing, sender: 'x@y' }, rewritten)?.by).toBe('token');
    expect(
      matchThread({ ...nothing, sender: 'x@y' }, { ...lookups, plusAddresses: [adas] })?.by,
    ).toBe('plus_address');
  });

  it('keeps a stranger out who references a mail that is not ours', () => {
    const keys = {
      ...nothing,
      sender: 'mallory@evil.test',
      references: ['first@ada'],
      inReplyTo: ['unseen@ada'],
    };
    expect(matchThread(keys, lookups)).toBeNull();
  });

  it('passes over a forged reference and takes the true one behind it', () => {
    const keys = { ...nothing, references: ['first@bob', 'first@ada'] };
    expect(matchThread(keys, lookups)?.ticketId).toBe(adas);
  });

  it('counts a ticket number from participants alone', () => {
    const named = { ...lookups, ticketTokens: [bobs, adas] };
    expect(matchThread(nothing, named)).toEqual({ ticketId: adas, by: 'subject' });
    expect(matchThread({ ...nothing, sender: 'mallory@evil.test' }, named)).toBeNull();
    expect(matchThread({ ...nothing, sender: null }, named)).toBeNull();
  });

  it('joins a parent to the child that came before it', () => {
    expect(matchThread({ ...nothing, messageId: 'unseen@ada' }, lookups)?.ticketId).toBe(adas);
    expect(
      matchThread({ ...nothing, messageId: 'unseen@ada', sender: 'bob@example.org' }, lookups),
    ).toBeNull();
  });
});
