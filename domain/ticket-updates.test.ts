import { describe, expect, it } from '@jest/globals';
import { filledIn, filledValue } from './ticket-updates.ts';
import { wrongPlaces } from './update-places.ts';

const FACTS = {
  'ticket.number': '42',
  'ticket.subject': 'Where is\n my   lamp?',
  'ticket.status': 'open',
  'customer.name': '',
};

describe('a place', () => {
  it('of what isn’t known says what it names instead, else what is usual, else nothing', () => {
    const usual = { 'customer.name': '+4915112345678' };
    expect(filledIn('Hello {{customer.name|there}}: {{ ticket.number }}.', FACTS, usual)).toBe(
      'Hello there: 42.',
    );
    expect(filledIn('{{customer.name | dear customer }}', FACTS, usual)).toBe('dear customer');
    expect(filledIn('{{customer.name}}', FACTS, usual)).toBe('+4915112345678');
    expect(filledIn('{{customer.name}}', FACTS, {})).toBe('');
    const known = { ...FACTS, 'customer.name': 'Ada {{ticket.number}}' };
    expect(filledIn('{{customer.name|there}}', known, usual)).toBe('Ada {{ticket.number}}');
  });

  it('in a template’s value is one line', () => {
    expect(filledValue(' On {{ticket.subject}} ', FACTS, {})).toBe('On Where is my lamp?');
  });
});

describe('what is to be told', () => {
  it('is wrong in itself where it names facts that don’t exist, or no place of a template', () => {
    expect(
      wrongPlaces({
        'ticket.created': 'ticket_update',
        'ticket.closed': null,
        'ticket.resolved': {
          text: '{{ticket.nr}} {{customer.name|there}} {{ ticket.number }} {{}}',
          values: { 1: 'x', 'body.name': '{{customer nme|x}}', 'button.0.1': 'x' },
        },
        'ticket.reopened': { values: { 'footer.1': 'x', 'a/b': 'x', 'button.x.1': 'x' } },
      }),
    ).toEqual([
      { pointer: '/ticket.resolved/text', message: expect.stringMatching(/no \{\{ticket\.nr\}\}/) },
      { pointer: '/ticket.resolved/text', message: expect.stringMatching(/no \{\{\}\}/) },
      {
        pointer: '/ticket.resolved/values/body.name',
        message: expect.stringMatching(
          /no \{\{customer nme\}\}; there are .*\{\{customer\.name\}\}/,
        ),
      },
      { pointer: '/ticket.reopened/values/footer.1', message: expect.any(String) },
      { pointer: '/ticket.reopened/values/a~1b', message: expect.any(String) },
      { pointer: '/ticket.reopened/values/button.x.1', message: expect.any(String) },
    ]);
  });
});
