import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith, startedProduct, type RunningProduct } from '../harness/index.ts';
import { playedDemo } from './played-demo.ts';

const DOORS = [
  'Gmail push',
  'Gmail sweep',
  'Graph push',
  'Graph delta',
  'IMAP',
  'POP3',
  'SendGrid',
  'Mailgun',
  'SES',
  'Postmark',
];

describeWith('dovecot', 'npm run demo -- --channels', () => {
  let product: RunningProduct;
  beforeAll(async () => {
    product = await startedProduct();
  }, 240_000);
  afterAll(() => product.remove());

  it('takes a mail in, refuses what is forged, answers and hears of the bounce at ten doors', async () => {
    const { code, stdout, stderr } = await playedDemo('--channels', product.env);
    expect({ code, stderr, stdout }).toMatchObject({ code: 0, stderr: '' });
    const table = stdout.split('\n\n').find((part) => part.includes('10 MiB attachment  dup'))!;
    const [, ...rows] = table.split('\n');
    expect(rows.map((row) => row.split('  ')[0])).toEqual(DOORS);
    for (const row of rows)
      expect(row).toMatch(
        /sha256 \w{8} +1 message +(\d+ refused|nothing calls us).* In-Reply-To, References +by /,
      );
  }, 400_000);
});
