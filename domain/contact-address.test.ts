import { describe, expect, it } from '@jest/globals';
import {
  addressPrefixes,
  maskedAddress,
  nationalEnding,
  readContactAddress,
} from './contact-address.ts';

const never = () => false;

describe('an address of a contact', () => {
  it.each([
    ['Ada@Example.com', 'ada@example.com'],
    ['+49 (151) 1234-5678', '+4915112345678'],
    ['0049 151 12345678', '+4915112345678'],
    ['4915112345678', '+4915112345678'],
    ['+52 1 55 1234 5678', '+525512345678'],
    ['7301234567890123', '7301234567890123'],
    ['DE.13491208655302', 'de.13491208655302'],
  ])('%p is kept as %p', (written, address) => {
    expect(readContactAddress(written, never)).toEqual({ ok: true, address });
  });

  it('of digits alone is an id where some conversation has it', () => {
    const known = (digits: string) => digits === '4915112345678';
    expect(readContactAddress('4915112345678', known)).toEqual({
      ok: true,
      address: '4915112345678',
    });
  });

  it.each([
    ['ada@', 'no mail address'],
    ['0151 12345678', "country's code"],
    ['015112345678', "country's code"],
    ['(650) 555-1234', "country's code"],
    ['+49', 'no phone number'],
    ['+491234567890123456789', 'no phone number'],
    ['Ada Lovelace', 'neither a mail address'],
    ['12', 'neither a phone number'],
  ])('%p is refused: %p', (written, why) => {
    expect(readContactAddress(written, never)).toEqual({
      ok: false,
      why: expect.stringContaining(why),
    });
  });
});

it.each([
  ['+49 151 12', ['+4915112']],
  ['0049151', ['+49151']],
  ['4915112345678', ['4915112345678', '+4915112345678']],
  ['ada@ex', ['ada@ex']],
  ['42', ['42']],
])('searching %p looks for addresses that begin with %p', (searched, prefixes) => {
  expect(addressPrefixes(searched)).toEqual(prefixes);
});

it('a number as it is dialled at home is known by its end', () => {
  expect(nationalEnding('0151 123-456')).toBe('151123456');
  expect(nationalEnding('(0151) 123456')).toBe('151123456');
  expect(nationalEnding('0049 151')).toBeNull();
  expect(nationalEnding('015')).toBeNull();
  expect(nationalEnding('ada')).toBeNull();
});

it('shows enough of an address to be known again', () => {
  expect(maskedAddress('ada@example.com')).toBe('a•••@example.com');
  expect(maskedAddress('+4915112345678')).toBe('+49 ••• 678');
  expect(maskedAddress('7301234567890123')).toBe('••• 0123');
});
