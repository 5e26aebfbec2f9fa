import { expect, test } from '@jest/globals';
import { optOf } from './opt-out.ts';

test.each([
  'STOP',
  'Stop.',
  '«stop»',
  'STOP ALL',
  'Arrêt',
  'ARRET',
  'DÉSABONNER',
  'إلغاء الاشتراك',
  'बंद',
  '停止',
])('"%s" asks for silence', (text) => expect(optOf(text)).toBe('out'));

test.each(['START', 'unstop', 'Começar', 'başlat', 'BAŞLAT', '开始'])(
  '"%s" takes it back',
  (text) => expect(optOf(text)).toBe('in'),
);

test.each([
  '',
  'stop it',
  'bus stop',
  'Please start again',
  'nonstop',
  '🛑',
  `stop ${'!'.repeat(200)}`,
])('"%s" says nothing of it', (text) => expect(optOf(text)).toBeNull());
