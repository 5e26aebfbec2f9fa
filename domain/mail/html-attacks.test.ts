import { describe, expect, it } from '@jest/globals';
import { dangersIn } from './fuzz/html-dangers.ts';
import { hostileHtml } from './fuzz/hostile-html.ts';
import { sanitizeMailHtml } from './html.ts';

describe('known attacks on sanitisers', () => {
  it.each(Object.entries(hostileHtml))('edge 36: %s', (_name, html) => {
    for (const wrapped of [
      html,
      `<div>${html}</div>`,
      `<table><tr><td>${html}`,
      `<p>${html}${html}`,
    ])
      expect(dangersIn(sanitizeMailHtml(wrapped))).toEqual([]);
  });

  it('are seen by the check that looks for them', () => {
    const unseen = Object.entries(hostileHtml).filter(([, html]) => dangersIn(html).length === 0);
    // Harmless to a parser of the standard as they stand: dangerous to those that decode or cut twice.
    expect(unseen.map(([name]) => name)).toEqual([
      'a handler in an unclosed tag',
      'a quote that breaks out',
      'a quote that breaks out of alt',
      'an angle bracket in an attribute',
      'a style that ends its attribute',
      'entities decoded twice',
      'entities decoded thrice',
      'entities without an end',
      'full-width brackets',
      'an attribute twice',
    ]);
  });

  it('stay harmless whatever stands before and after', () => {
    const pieces = Object.values(hostileHtml);
    for (const [at, html] of pieces.entries()) {
      const next = pieces[(at * 7 + 3) % pieces.length]!;
      expect(dangersIn(sanitizeMailHtml(html + next))).toEqual([]);
      expect(dangersIn(sanitizeMailHtml(`${next.slice(0, next.length / 2)}${html}`))).toEqual([]);
    }
  });
});
