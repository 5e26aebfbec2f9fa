import { expect, it } from '@jest/globals';
import { countryOfPhone, e164, e164OfDigits, isPossiblePhone } from './phone.ts';

it.each([
  ['+49 151 1234-5678', undefined, '+4915112345678'],
  ['0151 12345678', 'DE', '+4915112345678'],
  ['(650) 555-1234', 'US', '+16505551234'],
  ['0151 12345678', undefined, null],
  ['0151 12345678', 'nowhere', null],
  ['hello', undefined, null],
  ['', undefined, null],
])('%p of %p is %p', (written, country, number) => {
  expect(e164(written, country)).toBe(number);
});

it('takes former mobile numbers for the ones that are dialled now', () => {
  expect(e164OfDigits('5215512345678')).toBe('+525512345678');
  expect(e164OfDigits('525512345678')).toBe('+525512345678');
  expect(e164OfDigits('553188888888')).toBe('+5531988888888');
  expect(e164OfDigits('5531988888888')).toBe('+5531988888888');
  expect(e164OfDigits('553133334444')).toBe('+553133334444'); // a landline has no 9
});

it('keeps the digits of a number that no country has', () => {
  expect(e164OfDigits('999123456789')).toBe('+999123456789');
});

it('knows whose number it is, and whether it may be one', () => {
  expect(countryOfPhone('+4915112345678')).toBe('DE');
  expect(countryOfPhone('US.13491208655302741918')).toBeNull();
  expect(isPossiblePhone('+16505551234')).toBe(true);
  expect(isPossiblePhone('+1650')).toBe(false);
});
