import { expect, it } from '@jest/globals';
import { recipientOf } from './recipient.ts';

it('tells a number from the id of somebody who shows none', () => {
  expect(recipientOf('+4915112345678')).toEqual({ to: '+4915112345678' });
  expect(recipientOf('DE.13491208655302741918')).toEqual({ recipient: 'DE.13491208655302741918' });
  expect(recipientOf('US.ENT.11815799212886844830')).toEqual({
    recipient: 'US.ENT.11815799212886844830',
  });
});
