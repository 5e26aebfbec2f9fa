import { describe, expect, it } from '@jest/globals';
import { nameAttachment, safeFilename, uniqueNames } from './filenames.ts';

describe('safeFilename', () => {
  it.each([
    ['../../etc/passwd', 'passwd'],
    ['C:\\Users\\ada\\a.pdf', 'a.pdf'],
    ['invoice\u202efdp.exe', 'invoicefdp.exe'],
    ['a\r\nb\0.txt', 'ab.txt'],
    ['..', ''],
    ['a<b>|?.txt', 'a_b___.txt'],
    ['見積書.pdf', '見積書.pdf'],
  ])('of %j', (name, safe) => {
    expect(safeFilename(name)).toBe(safe);
  });

  it('shortens a thousand characters and keeps the extension', () => {
    const name = safeFilename(`${'x'.repeat(1000)}.pdf`);
    expect(name).toHaveLength(200);
    expect(name.endsWith('x.pdf')).toBe(true);
  });
});

describe('nameAttachment', () => {
  const none = {
    filename: null,
    contentLocation: null,
    contentId: null,
    contentType: 'image/png',
    nestedSubject: null,
  };

  it('takes the best name there is', () => {
    expect(nameAttachment({ ...none, filename: 'a.png', contentLocation: 'b.png' }, 1)).toBe(
      'a.png',
    );
    expect(nameAttachment({ ...none, contentLocation: 'https://x.test/y/b.png?z=1' }, 1)).toBe(
      'b.png',
    );
    expect(
      nameAttachment({ ...none, contentType: 'message/rfc822', nestedSubject: 'Re: Lunch' }, 1),
    ).toBe('Re_ Lunch.eml');
    expect(nameAttachment({ ...none, contentId: 'logo@x' }, 1)).toBe('logo.png');
    expect(nameAttachment({ ...none, contentType: 'text/calendar' }, 2)).toBe('attachment-2.ics');
  });
});

describe('uniqueNames', () => {
  it('numbers what comes again, whatever its letter case', () => {
    const unique = uniqueNames();
    expect(['a.pdf', 'A.pdf', 'a.pdf', 'a (2).pdf', 'b'].map(unique)).toEqual([
      'a.pdf',
      'A (2).pdf',
      'a (3).pdf',
      'a (2) (2).pdf',
      'b',
    ]);
  });

  it('takes no long time over 50,000 of one name', () => {
    const unique = uniqueNames();
    const start = process.cpuUsage();
    const names = Array.from({ length: 50_000 }, () => unique('a.png'));
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(5000);
    expect(names.at(-1)).toBe('a (50000).png');
  });
});
