import { describe, expect, it } from '@jest/globals';
import { boundNesting, htmlToPlainText, referencedContentIds, sanitizeMailHtml } from './html.ts';

describe('sanitizeMailHtml', () => {
  it.each([
    ['<script>alert(1)</script>x', 'x'],
    ['<p onclick="alert(1)">x</p>', '<p>x</p>'],
    ['<style>body{display:none}</style>x', 'x'],
    ['<form action="https://evil.test"><input name="password">x</form>', 'x'],
    ['<iframe src="https://evil.test"></iframe>x', 'x'],
    ['<svg><script>alert(1)</script></svg>x', 'x'],
    ['<p style="position:fixed;top:0;color:red">x</p>', '<p style="color:red">x</p>'],
    ['<p style="background:url(https://t.test/p.gif)">x</p>', '<p>x</p>'],
    ['<p style="margin:-900px;padding:1px">x</p>', '<p style="padding:1px">x</p>'],
    ['<p style="width:expression(alert(1))">x</p>', '<p>x</p>'],
    ['<p style="color:r\\65 d">x</p>', '<p>x</p>'],
    ['<img src="javascript:alert(1)">x', 'x'],
    ['<img src="data:text/html,<script>">x', 'x'],
    ['<meta http-equiv="refresh" content="0;url=https://evil.test">x', 'x'],
    ['<base href="https://evil.test/">x', 'x'],
    ['<link rel="stylesheet" href="https://evil.test/x.css">x', 'x'],
    [
      '<table background="https://t.test/p.gif"><tr><td>x</td></tr></table>',
      '<table><tr><td>x</td></tr></table>',
    ],
  ])('of %j', (html, safe) => {
    expect(sanitizeMailHtml(html)).toBe(safe);
  });

  it('takes away links that run and keeps those that lead somewhere, opened apart', () => {
    expect(sanitizeMailHtml('<a href="javascript:alert(1)">x</a>')).not.toContain('javascript');
    expect(sanitizeMailHtml('<a href="https://x.test/a?b=1">x</a>')).toBe(
      '<a href="https://x.test/a?b=1" rel="noopener noreferrer nofollow" target="_blank">x</a>',
    );
  });

  it('shows pictures of the mail itself and holds back remote ones', () => {
    expect(sanitizeMailHtml('<img src="cid:a@b" alt="c">')).toBe('<img alt="c" src="cid:a@b" />');
    const remote = sanitizeMailHtml(
      '<img src="https://t.test/p.gif" srcset="https://t.test/q.gif 2x">',
    );
    expect(remote).toBe('<img data-remote-src="https://t.test/p.gif" />');
    expect(sanitizeMailHtml('<img src="//t.test/p.gif">')).toBe(
      '<img data-remote-src="//t.test/p.gif" />',
    );
  });

  it('keeps what it has sanitised as it is', () => {
    const html =
      '<div style="color:red"><a href="https://x.test">a</a><img src="cid:1"><img src="https://r.test/"></div>';
    const once = sanitizeMailHtml(html);
    expect(once).toContain('data-remote-src');
    expect(sanitizeMailHtml(once)).toBe(once);
  });
});

describe('htmlToPlainText', () => {
  it('keeps paragraphs, marks quotes and leaves pictures out', () => {
    const html =
      '<head><title>t</title></head><p>Hi &amp; bye</p><ul><li>one</li></ul><blockquote>old</blockquote><img src="cid:1">';
    expect(htmlToPlainText(html)).toBe('Hi & bye\n\n- one\n\n> old');
  });
});

describe('boundNesting', () => {
  it('cuts at five hundred levels, whatever does not nest', () => {
    expect(boundNesting('<div>'.repeat(100_000))).toBe('<div>'.repeat(500));
    const flat = '<div><p>x<br><img></div>'.repeat(2000);
    expect(boundNesting(flat)).toBe(flat);
  });
});

describe('referencedContentIds', () => {
  it('finds ids as written and with escapes undone', () => {
    expect([...referencedContentIds('<img src="cid:a%40b"><img src=cid:c@d>')]).toEqual([
      'a%40b',
      'a@b',
      'c@d',
    ]);
  });
});
