import { expect, test } from '@jest/globals';
import { instantOf, isLocalTime, localTimeOf, timeZoneOfNumber } from './send-time.ts';

test('a wall clock’s time is an instant of its zone, on both sides of daylight saving', () => {
  expect(instantOf('2027-01-15T09:00', 'Europe/Berlin').toISOString()).toBe(
    '2027-01-15T08:00:00.000Z',
  );
  expect(instantOf('2027-07-15T09:00:30', 'Europe/Berlin').toISOString()).toBe(
    '2027-07-15T07:00:30.000Z',
  );
});

test('a time that is skipped comes an hour later, one that is repeated is the first', () => {
  expect(localTimeOf(instantOf('2027-03-28T02:30', 'Europe/Berlin'), 'Europe/Berlin')).toBe(
    '2027-03-28T03:30:00+02:00',
  );
  expect(instantOf('2027-10-31T02:30', 'Europe/Berlin').toISOString()).toBe(
    '2027-10-31T00:30:00.000Z',
  );
});

test.each([
  ['2027-01-15T09:00', true],
  ['2027-01-15T09:00:01', true],
  ['2027-02-30T09:00', false],
  ['2027-01-15T25:00', false],
  ['2027-01-15T09:00Z', false],
  ['2027-01-15', false],
])('%s is a local time: %s', (written, isOne) => {
  expect(isLocalTime(written)).toBe(isOne);
});

test.each([
  ['+4915112345678', 'Europe/Berlin'],
  ['+919876543210', 'Asia/Kolkata'],
  ['+12125550123', null],
  ['+5511987654321', null],
  ['24681357', null],
])('the zone of %s is %s', (number, zone) => {
  expect(timeZoneOfNumber(number)).toBe(zone);
});
