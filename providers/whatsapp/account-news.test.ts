import { expect, it } from '@jest/globals';
import { accountTold, isNewsOf } from './account-news.ts';
import { changesOf } from './webhook.ts';

const changes = (...said: object[]) =>
  changesOf({
    object: 'whatsapp_business_account',
    entry: [{ id: '102290129340398', time: 1, changes: said }],
  });
const REVIEWED = {
  field: 'message_template_status_update',
  value: { event: 'PAUSED', message_template_name: 'order', message_template_language: 'en_US' },
};
const WRITTEN = {
  field: 'messages',
  value: { metadata: { phone_number_id: '1' }, messages: [{ id: 'wamid.1', type: 'text' }] },
};

it('tells of a business account, where no number is named', () => {
  const quality = { field: 'phone_number_quality_update', value: { event: 'FLAGGED' } };
  expect(changes(REVIEWED, quality, WRITTEN).map(accountTold)).toEqual([
    '102290129340398',
    '102290129340398',
    null,
  ]);
  expect(changes({ field: 'flows', value: {} }).map(accountTold)).toEqual([null]);
});

it('is news to the channels of that account alone', () => {
  const is = (account: string | undefined, ...said: object[]) =>
    isNewsOf(changes(...said), { business_account_id: account });
  expect(is('102290129340398', WRITTEN, REVIEWED)).toBe(true);
  expect(is('102290129340398', WRITTEN)).toBe(false);
  expect(is('1', REVIEWED)).toBe(false);
  expect(is(undefined, REVIEWED)).toBe(false);
});
