// oxlint-disable unicorn/no-thenable -- a rule's `then` is an object, and awaits nothing
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseMail } from '../mail/parse.ts';
import { compileRules, evaluate, explain, type Verdict } from './evaluate.ts';
import { ruleFacts } from './facts.ts';
import { compilePattern, PATTERN_LIMITS } from './pattern.ts';
import { ChannelRules, type Condition } from './schema.ts';

const MAIL = [
  'From: Shop Form <noreply@forms.example>',
  'To: Support <support@shop.example>',
  'Cc: boss@corp.example',
  'Delivered-To: help+web@shop.example',
  'Reply-To: =?utf-8?q?J=C3=BCrgen?= <juergen@kunde.example>',
  'X-Monitor: host=web-3 =?utf-8?q?sch=C3=B6n?=',
  'Subject: Order 4711 FAILED',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=x',
  '',
  '--x',
  'Content-Type: text/plain; charset=utf-8',
  '',
  'A customer wrote:',
  'E-mail: ada@kunde.example',
  'Name: Ada Lovelace',
  '--x',
  'Content-Type: application/pdf',
  'Content-Disposition: attachment; filename="Invoice.PDF"',
  '',
  'pdf',
  '--x--',
].join('\r\n');

async function factsOf(source = MAIL) {
  const bytes = Buffer.from(source);
  return ruleFacts(await parseMail(bytes, { receivedAt: new Date(0) }), bytes.length);
}

async function verdict(rules: unknown, source?: string): Promise<Verdict> {
  return evaluate(compileRules(rules), await factsOf(source));
}

const holds = async (condition: Condition, source?: string) =>
  (await verdict({ rules: [{ name: 'r', when: { all: [condition] }, then: {} }] }, source)).matched
    .length === 1;

describe('a condition', () => {
  it.each<[Condition, boolean]>([
    [{ field: 'sender', is: 'NoReply@Forms.Example' }, true],
    [{ field: 'sender', is: 'forms.example' }, false],
    [{ field: 'domain', is: ['a.example', 'forms.example'] }, true],
    [{ field: 'domain', is: 'example' }, false],
    [{ field: 'recipient', is: 'boss@corp.example' }, true],
    [{ field: 'recipient', contains: 'help+web@' }, true],
    [{ field: 'header', name: 'x-monitor', contains: 'SCHÖN' }, true],
    [{ field: 'header', name: 'X-Nothing', exists: true }, false],
    [{ field: 'header', name: 'X-Nothing', exists: false }, true],
    [{ field: 'subject', contains: 'failed' }, true],
    [{ field: 'subject', matches: '^order \\d+ failed$' }, true],
    [{ field: 'body', matches: '^name: ada' }, true],
    [{ field: 'body', contains: 'pdf' }, false],
    [{ field: 'attachment', matches: '\\.pdf$' }, true],
    [{ field: 'attachment', exists: true }, true],
    [{ field: 'size', over: 100 }, true],
    [{ field: 'size', under: 100 }, false],
    [{ field: 'subject', contains: 'failed', not: true }, false],
    [{ field: 'subject', contains: 'fine', not: true }, true],
  ])('%o is %s', async (condition, expected) => {
    expect(await holds(condition)).toBe(expected);
  });

  it('negated holds exactly where it doesn’t otherwise', async () => {
    const facts = await factsOf();
    const fields = fc.constantFrom(
      'sender',
      'domain',
      'recipient',
      'subject',
      'body',
      'attachment',
    );
    const text = fc.string({ minLength: 1, maxLength: 5 }).filter((one) => one.trim() !== '');
    fc.assert(
      fc.property(fields, fc.constantFrom('is', 'contains'), text, (field, operator, value) => {
        const matched = [false, true].map((not) => {
          const when = { all: [{ field, [operator]: value, not }] };
          const rules = compileRules({ rules: [{ name: 'r', when, then: {} }] });
          return evaluate(rules, facts).matched.length;
        });
        expect(matched[0]! + matched[1]!).toBe(1);
      }),
      { seed: 20261121 },
    );
  });
});

const always = { any: [{ field: 'subject', exists: true }] };

describe('rules', () => {
  it('run in order: the later counts, tags add up, stop ends', async () => {
    const found = await verdict({
      rules: [
        { name: 'one', when: always, then: { priority: 'low', tags: ['a', 'b'], type: 'Notice' } },
        { name: 'never', when: { all: [{ field: 'subject', is: 'x' }] }, then: { spam: true } },
        { name: 'two', when: always, then: { priority: 'urgent', tags: ['b', 'c'] }, stop: true },
        { name: 'three', when: always, then: { priority: 'high' } },
      ],
    });
    expect(found).toMatchObject({
      matched: ['one', 'two'],
      priority: 'urgent',
      tags: ['a', 'b', 'c'],
      type: 'Notice',
      spam: false,
    });
  });

  it('want all of `all` and one of `any`', async () => {
    const yes = { field: 'subject', contains: 'order' };
    const no = { field: 'subject', contains: 'nothing' };
    const when = async (given: object) =>
      (await verdict({ rules: [{ name: 'r', when: given, then: {} }] })).matched.length === 1;
    expect(await when({ all: [yes, yes] })).toBe(true);
    expect(await when({ all: [yes, no] })).toBe(false);
    expect(await when({ any: [no, yes] })).toBe(true);
    expect(await when({ all: [yes], any: [no] })).toBe(false);
  });

  it('take the requester from a header, names decoded', async () => {
    const then = { requester: { header: 'Reply-To' } };
    expect(await verdict({ rules: [{ name: 'r', when: always, then }] })).toMatchObject({
      requester: { name: 'Jürgen', address: 'juergen@kunde.example' },
    });
  });

  it('take the requester from a pattern’s first group, or groups named address and name', async () => {
    const by = (pattern: string) =>
      verdict({ rules: [{ name: 'r', when: always, then: { requester: { pattern } } }] });
    expect(await by('^e-mail: (\\S+)')).toMatchObject({
      requester: { name: '', address: 'ada@kunde.example' },
    });
    expect(await by('^e-mail: (?P<address>\\S+)\\r?\\nname: (?P<name>.+)$')).toMatchObject({
      requester: { name: 'Ada Lovelace', address: 'ada@kunde.example' },
    });
    expect(await by('^name: (\\S+)')).toMatchObject({ requester: null });
  });

  it('group by what a pattern catches, whatever its case, each rule for itself', async () => {
    const group = async (pattern: string, name = 'r', source?: string) => {
      const then = { group_by: { pattern, within_hours: 2 } };
      return (await verdict({ rules: [{ name, when: always, then }] }, source)).group;
    };
    const first = await group('order (\\d+)');
    expect(first).toMatchObject({ rule: 'r', hours: 2 });
    expect(await group('ORDER (\\d+)', 'r', MAIL.replace('FAILED', 'again'))).toEqual(first);
    expect((await group('order (\\d+)', 'other'))?.key).not.toBe(first!.key);
    expect(await group('ticket (\\d+)')).toBeNull();
  });

  it('give the same verdict however often they are asked', async () => {
    const rules = compileRules({
      rules: [
        { name: 'r', when: always, then: { group_by: { pattern: '(\\d+)' }, tags: ['x'] } },
        { name: 's', when: { all: [{ field: 'body', matches: 'ada' }] }, then: { skip: true } },
      ],
    });
    const first = evaluate(rules, await factsOf());
    for (let i = 0; i < 3; i++) expect(evaluate(rules, await factsOf())).toEqual(first);
    expect(first.filtered).toEqual({ by: 'rule', rule: 's', detail: expect.any(String) });
  });
});

describe('the lists', () => {
  const by = async (rules: object, source?: string) =>
    (await verdict(rules, source)).filtered?.by ?? null;

  it('an allowlist that names anyone lets in only them', async () => {
    expect(await by({ allowlist: { domains: ['forms.example'] } })).toBeNull();
    expect(await by({ allowlist: { domains: ['example'] } })).toBe('allowlist');
    expect(await by({ allowlist: { domains: ['*.forms.example'] } })).toBe('allowlist');
    expect(await by({ allowlist: { domains: ['*.example'] } })).toBeNull();
    expect(
      await by({ allowlist: { headers: [{ name: 'X-Monitor', contains: 'web' }] } }),
    ).toBeNull();
    expect(await by({ allowlist: {} })).toBeNull();
  });

  it('a blocklist keeps out senders, domains, headers', async () => {
    expect(await by({ blocklist: { senders: ['NOREPLY@forms.example'] } })).toBe('blocklist');
    expect(await by({ blocklist: { domains: ['@forms.example'] } })).toBe('blocklist');
    expect(await by({ blocklist: { headers: [{ name: 'x-monitor' }] } })).toBe('blocklist');
    expect(await by({ blocklist: { headers: [{ name: 'x-monitor', is: 'web' }] } })).toBeNull();
  });

  it('the more exact entry counts, and the blocklist where they are equal', async () => {
    const sender = { senders: ['noreply@forms.example'] };
    const domain = { domains: ['forms.example'] };
    const everyone = { domains: ['*'] };
    expect(await by({ allowlist: sender, blocklist: domain })).toBeNull();
    expect(await by({ allowlist: domain, blocklist: sender })).toBe('blocklist');
    expect(await by({ allowlist: domain, blocklist: domain })).toBe('blocklist');
    expect(await by({ allowlist: everyone, blocklist: domain })).toBe('blocklist');
    expect(await by({ allowlist: domain, blocklist: everyone })).toBeNull();
  });

  it('a bounce of our own mail is no stranger', async () => {
    const bounce = [
      'From: MAILER-DAEMON@mx.elsewhere.example',
      'Subject: Undelivered Mail Returned to Sender',
      'X-Failed-Recipients: ada@kunde.example',
      '',
      'It failed.',
    ].join('\r\n');
    const rules = { allowlist: { domains: ['corp.example'] }, subject_keywords: ['order'] };
    expect(await by(rules, bounce)).toBeNull();
    expect((await verdict(rules, bounce)).lacksKeyword).toBeNull();
  });
});

it('subject keywords ignore case, and say only that a new ticket is not wanted', async () => {
  expect(await verdict({ subject_keywords: ['order 47'] })).toMatchObject({ lacksKeyword: null });
  expect(await verdict({ subject_keywords: ['invoice'] })).toMatchObject({
    filtered: null,
    lacksKeyword: { by: 'subject_keywords' },
  });
});

it('an explanation says of each condition whether it held and where', async () => {
  const rules = compileRules({
    rules: [
      {
        name: 'first',
        when: {
          all: [{ field: 'subject', matches: '\\d+' }],
          any: [{ field: 'body', contains: 'zebra' }],
        },
        then: {},
      },
      { name: 'second', when: always, then: {}, stop: true },
      { name: 'third', when: always, then: {} },
    ],
  });
  const [first, second, third] = explain(rules, await factsOf());
  expect(first).toMatchObject({
    matched: false,
    conditions: [
      { of: 'all', holds: true, found: '4711' },
      { of: 'any', holds: false, found: null },
    ],
  });
  expect(second).toMatchObject({ matched: true, passed_over: false });
  expect(third).toMatchObject({ matched: false, passed_over: true });
});

describe('what can’t be used', () => {
  const problems = (rules: unknown) =>
    ChannelRules.safeParse(rules).error?.issues.map(({ path, message }) => [
      path.join('/'),
      message,
    ]);
  const one = (condition: object, then: object = {}) => ({
    rules: [{ name: 'r', when: { all: [condition] }, then }],
  });

  it.each([
    [one({ field: 'subject', matches: '(a' }), 'rules/0/when/all/0/matches', /no RE2 pattern/],
    [one({ field: 'subject', matches: '(?=a)b' }), 'rules/0/when/all/0/matches', /no RE2 pattern/],
    [one({ field: 'subject', matches: '(a)\\1' }), 'rules/0/when/all/0/matches', /no RE2 pattern/],
    [one({ field: 'subject', matches: 'a{900}' }), 'rules/0/when/all/0/matches', /steps/],
    [one({ field: 'subject' }), 'rules/0/when/all/0', /exactly one/],
    [one({ field: 'subject', is: 'a', contains: 'b' }), 'rules/0/when/all/0', /exactly one/],
    [one({ field: 'size', is: 'a' }), 'rules/0/when/all/0/is', /over, under/],
    [one({ field: 'header', is: 'a' }), 'rules/0/when/all/0/name', /which header/],
    [{ rules: [{ name: 'r', when: {}, then: {} }] }, 'rules/0/when', /all/],
    [
      one({ field: 'subject', is: 'a' }, { requester: { pattern: 'a' } }),
      'rules/0/then/requester/pattern',
      /group/,
    ],
    [
      {
        rules: [
          ...one({ field: 'subject', is: 'a' }).rules,
          ...one({ field: 'subject', is: 'a' }).rules,
        ],
      },
      'rules/1/name',
      /Another rule/,
    ],
    [{ autoresponder: { text: 'Hi {{ticket.nmber}}' } }, 'autoresponder/text', /no placeholder/],
    [{ autoresponder: { enabled: true } }, 'autoresponder/text', /wants a text/],
    [{ blocklist: { senders: ['example.com'] } }, 'blocklist/senders/0', /address/],
  ])('%j is refused at %s', (rules, path, message) => {
    expect(problems(rules)).toContainEqual([path, expect.stringMatching(message)]);
  });

  it('is told of all patterns together, too', () => {
    const rules = Array.from({ length: 12 }, (_, place) => ({
      name: `r${place}`,
      when: { all: [{ field: 'body', matches: `${place}[a-z]{300}` }] },
      then: {},
    }));
    expect(problems({ rules })).toContainEqual(['rules', expect.stringMatching(/steps/)]);
  });
});

it('the worst patterns allowed take bounded time over the worst mail', async () => {
  // Each as large as it may be, and kept busy to the end of what is looked at, where it matches at last.
  const pattern = '((a?){65}a{65})c';
  const count = Math.floor(PATTERN_LIMITS.programs / compilePattern(pattern).size);
  const rules = compileRules({
    rules: Array.from({ length: count }, (_, place) => ({
      name: `r${place}`,
      when: { all: [{ field: 'body', matches: pattern }] },
      then: {},
    })),
  });
  const busy = `${'a'.repeat(90)}b`.repeat(1000).slice(0, PATTERN_LIMITS.text - 96);
  const body = `${busy}${'a'.repeat(95)}c${'b'.repeat(5_000_000)}`;
  const facts = { ...(await factsOf()), body };
  const began = process.cpuUsage();
  expect(evaluate(rules, facts).matched).toHaveLength(count);
  expect(process.cpuUsage(began).user / 1000).toBeLessThan(20_000);
}, 120_000);
