import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  chatRefusal,
  sayable,
  usableTags,
  type ChatAnswer,
  type ChatTerms,
  type Conversation,
} from './chat-answer.ts';

const HOUR = 3_600_000;
const NOW = new Date('2027-01-15T12:00:00Z');
const TERMS: ChatTerms = {
  limits: { text: 5, attachments: 1, interactive: ['buttons'] },
  tags: { PERSON: 168 * HOUR },
  hasTemplates: true,
};
const ANSWER: ChatAnswer = {
  text: 'Hi.',
  attachments: 0,
  hasTemplate: false,
  interactive: null,
  tag: null,
};
const wrote = (hoursAgo: number, more: Partial<Conversation> = {}): Conversation => {
  const lastInboundAt = new Date(NOW.getTime() - hoursAgo * HOUR);
  const windowEndsAt = new Date(lastInboundAt.getTime() + 24 * HOUR);
  return { address: '1', lastInboundAt, windowEndsAt, optedOutAt: null, ...more };
};
const NEVER = wrote(0, { lastInboundAt: null, windowEndsAt: null });

test('free text goes while the window is open, to the millisecond', () => {
  const ends = (at: number) => wrote(0, { windowEndsAt: new Date(NOW.getTime() + at) });
  expect(chatRefusal(ANSWER, TERMS, ends(1), NOW)).toBeNull();
  expect(chatRefusal(ANSWER, TERMS, ends(0), NOW)).toMatchObject({ code: 'window_closed' });
});

test('characters are counted as people count them', () => {
  const of = (text: string) => chatRefusal({ ...ANSWER, text }, TERMS, wrote(1), NOW);
  expect(of('😀😀😀😀😀')).toBeNull();
  expect(of('😀😀😀😀😀!')).toMatchObject({ code: 'text_too_long' });
});

test('to somebody who has never written only a template goes', () => {
  expect(chatRefusal(ANSWER, TERMS, NEVER, NOW)).toMatchObject({
    code: 'window_closed',
    detail: expect.stringMatching(/has not written.*"template"/),
  });
  const tagged = { ...ANSWER, tag: 'PERSON' };
  expect(chatRefusal(tagged, TERMS, NEVER, NOW)).toMatchObject({ code: 'window_closed' });
  expect(chatRefusal({ ...ANSWER, hasTemplate: true }, TERMS, NEVER, NOW)).toBeNull();
  expect(usableTags(TERMS, NEVER, NOW)).toEqual([]);
});

test('where there is neither template nor tag nothing goes after the window', () => {
  const bare = { ...TERMS, tags: undefined, hasTemplates: false };
  expect(chatRefusal(ANSWER, bare, wrote(25), NOW)).toMatchObject({
    detail: expect.stringContaining('Nothing may be sent until the customer writes again.'),
  });
});

test('at any time: what may be said follows from silence, template, window and tag alone', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 400, noNaN: true }),
      fc.boolean(),
      fc.boolean(),
      fc.boolean(),
      (hoursAgo, silent, hasTemplate, tagged) => {
        const conversation = wrote(hoursAgo, { optedOutAt: silent ? NOW : null });
        const { windowEndsAt, lastInboundAt } = conversation;
        const tag = tagged ? 'PERSON' : null;
        const inWindow = windowEndsAt! > NOW;
        const inTag = tagged && lastInboundAt!.getTime() + 168 * HOUR > NOW.getTime();
        const may = !silent && (hasTemplate || inWindow || inTag);
        const refusal = sayable({ hasTemplate, tag }, TERMS, conversation, NOW);
        expect(refusal === null).toBe(may);
      },
    ),
    { seed: 20261121 },
  );
});
