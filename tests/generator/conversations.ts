import type { Letter } from './compose.ts';
import { LANGUAGES, type Language } from './languages.ts';
import { newMessageId, newPerson, type Person } from './people.ts';
import type { Random } from './random.ts';

export const SUPPORT: Person = {
  name: '',
  address: 'support@example.test',
  language: LANGUAGES[0]!,
};

const MINUTE_MS = 60_000;

/** A conversation of a customer, and perhaps colleagues of his, with support; in the order of delivery. */
export function conversation(
  thread: string,
  customer: Person,
  begunAt: Date,
  random: Random,
  attachmentBytes = 300 * 1024,
): Letter[] {
  const language = random.pick(LANGUAGES);
  const length = random.chance(0.45) ? 1 : random.int(2, 6);
  const disordered = length > 1 && random.chance(0.25);
  const colleagues = random.chance(0.4)
    ? Array.from({ length: random.int(1, 2) }, () => newPerson(language, random, 'customer'))
    : [];
  const everyone = [customer, ...colleagues];
  const topic = random.pick(language.topics);
  const letters: Letter[] = [];
  for (let at = 0; at < length; at++) {
    const author = at === 0 ? customer : random.pick(everyone);
    const previous = letters.at(-1) ?? null;
    const isLast = at === length - 1;
    letters.push({
      ...blank(thread, language),
      from: author,
      // A reply to all, so that whoever's mail comes first makes everyone known.
      cc: everyone.filter((person) => person !== author),
      subject: previous === null ? topic : answerSubject(topic, random),
      text: newText(language, random),
      quoted:
        previous && random.chance(0.6) ? { author: previous.from, text: previous.text } : null,
      // What nobody refers to may do without.
      messageId: isLast && !disordered && random.chance(0.08) ? null : newMessageId(random),
      ...(previous === null ? openerReferences(random) : references(letters, disordered, random)),
      writtenAt: new Date(begunAt.getTime() + at * random.int(7, 90) * MINUTE_MS),
      attachmentSizes: attachmentSizes(random, attachmentBytes),
      headers: previous === null && random.chance(0.05) ? ['X-Priority: 1 (Highest)'] : [],
    });
  }
  if (!disordered && letters.at(-1)!.messageId !== null && random.chance(0.05))
    letters.push(outOfOffice(letters.at(-1)!, customer, random));
  return disordered ? random.shuffled(letters) : letters;
}

/** Somebody's mail that claims to belong to a conversation which is none of his. */
export function forgery(
  thread: string,
  claimed: readonly string[],
  at: Date,
  random: Random,
): Letter {
  const language = random.pick(LANGUAGES);
  const byNumber = claimed.length === 0 || random.chance(0.3);
  return {
    ...blank(thread, language),
    from: newPerson(language, random, 'stranger'),
    subject: byNumber
      ? `Re: [#${random.int(1, 60)}] ${random.pick(language.topics)}`
      : `Re: ${random.pick(language.topics)}`,
    text: newText(language, random),
    messageId: newMessageId(random),
    ...(byNumber ? {} : { inReplyTo: claimed.at(-1)!, references: claimed }),
    writtenAt: at,
  };
}

/** An automatic answer to nothing that is known here: kept, but nobody's ticket. */
export function strayAutoReply(at: Date, random: Random): Letter {
  const language = random.pick(LANGUAGES);
  return {
    ...blank(null, language),
    kind: 'auto_reply',
    from: newPerson(language, random, 'away'),
    subject: `Automatic reply: ${random.pick(language.topics)}`,
    text: newText(language, random),
    messageId: newMessageId(random),
    inReplyTo: newMessageId(random),
    writtenAt: at,
    headers: ['Auto-Submitted: auto-replied', 'X-Auto-Response-Suppress: All'],
  };
}

/** Sizes of files from nothing to the largest; most are small. */
function attachmentSizes(random: Random, largest: number): number[] {
  if (!random.chance(0.25)) return [];
  return Array.from({ length: random.int(1, 3) }, () =>
    random.chance(0.05) ? 0 : Math.floor(random.next() ** 3 * largest) + 1,
  );
}

function blank(thread: string | null, language: Language) {
  return {
    thread,
    kind: 'message',
    language,
    to: [SUPPORT],
    cc: [],
    quoted: null,
    inReplyTo: null,
    references: [],
    attachmentSizes: [],
    headers: [],
  } as const;
}

function newText(language: Language, random: Random): string {
  return Array.from({ length: random.int(1, 3) }, () =>
    Array.from({ length: random.int(1, 2) }, () => random.pick(language.sentences)).join(' '),
  ).join('\n\n');
}

function answerSubject(topic: string, random: Random): string {
  return `${random.pick(['Re: ', 'RE: ', 'AW: ', 'Re: Re: ', 'Antw: '])}${topic}`;
}

/** Now and then a customer's first mail answers something that never came by here. */
function openerReferences(random: Random): Pick<Letter, 'inReplyTo' | 'references'> {
  if (!random.chance(0.05)) return { inReplyTo: null, references: [] };
  const unknown = newMessageId(random);
  return { inReplyTo: unknown, references: [unknown] };
}

/** In order any of the usual ways leads to the thread; a child before its parent must name them all. */
function references(
  earlier: readonly Letter[],
  disordered: boolean,
  random: Random,
): Pick<Letter, 'inReplyTo' | 'references'> {
  const previous = earlier.at(-1)!;
  const all = [
    ...earlier[0]!.references,
    ...earlier.flatMap(({ messageId }) => (messageId === null ? [] : [messageId])),
  ];
  if (disordered) return { inReplyTo: previous.messageId, references: all };
  return random.pick([
    { inReplyTo: previous.messageId, references: all },
    { inReplyTo: previous.messageId, references: [] },
    { inReplyTo: null, references: all },
    { inReplyTo: previous.messageId, references: [previous.messageId!] },
  ]);
}

function outOfOffice(answered: Letter, customer: Person, random: Random): Letter {
  return {
    ...blank(answered.thread, answered.language),
    kind: 'auto_reply',
    from: customer,
    subject: `Automatic reply: ${answered.subject}`,
    text: newText(answered.language, random),
    messageId: newMessageId(random),
    inReplyTo: answered.messageId,
    references: [answered.messageId!],
    writtenAt: new Date(answered.writtenAt.getTime() + MINUTE_MS),
    headers: ['Auto-Submitted: auto-replied'],
  };
}
