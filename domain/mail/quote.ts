import EmailReplyParser from 'email-reply-parser';
import {
  bareIntroduction,
  divider,
  fromLine,
  isAppFooter,
  otherLines,
  replyAbove,
  wroteEnd,
  wroteMiddle,
  wroteStart,
} from './quote-patterns.ts';

export interface SplitText {
  new_content: string;
  quoted_content: string | null;
}

// The library's patterns backtrack; beyond this the linear rules below decide alone.
const libraryLimit = 64 * 1024;
const longestLine = 2000;

/**
 * Splits a mail's text into what it adds and what it quotes, signature included: nothing is lost,
 * and what is added is never empty where there is any text. `forwarded` text is all new, since a
 * forwarded mail is what its sender wants read.
 */
export function splitQuoted(text: string, forwarded = false): SplitText {
  const content = text.replace(/\r\n?/g, '\n').trim();
  if (content === '' || forwarded) return { new_content: content, quoted_content: null };
  const lines = content.split('\n');
  const cut = findCut(lines);
  const { kept, introductions } = withoutIntroductions(lines.slice(0, cut));
  const below = lines.slice(cut).join('\n');
  const split = splitByLibrary(kept.join('\n'));
  if (split.new_content.trim() === '') return answerBelow(content, lines, cut);
  const { text: added, footer } = withoutFooter(split.new_content.trim());
  return {
    new_content: added,
    quoted_content: joined(introductions, split.quoted_content, footer, below),
  };
}

function joined(...texts: (string | null)[]): string | null {
  return (
    texts
      .map((text) => text?.replace(/^\n+|\s+$/g, '') ?? '')
      .filter((text) => text !== '')
      .join('\n') || null
  );
}

/** Line at which the quoted mail begins, or the number of lines where none does. */
function findCut(lines: readonly string[]): number {
  const cut = lines.findIndex((line, at) => {
    if (line.length > longestLine) return false;
    return (
      divider.test(line) || replyAbove.test(line) || isHeaderBlock(lines, at) || isWrote(lines, at)
    );
  });
  if (cut < 0) return lines.length;
  return /^[_-]{5,}\s*$/.test(lines[cut - 1] ?? '') ? cut - 1 : cut;
}

/** Outlook's block: a From line, and two more header lines within the next few. */
function isHeaderBlock(lines: readonly string[], at: number): boolean {
  if (!fromLine.test(lines[at]!)) return false;
  const next = lines.slice(at + 1, at + 8).filter((line) => line.length <= longestLine);
  return otherLines.filter((pattern) => next.some((line) => pattern.test(line))).length >= 2;
}

/** "On …, Ada wrote:", with quoted text or nothing of one's own after it. */
function isWrote(lines: readonly string[], at: number): boolean {
  const length = introductionLength(lines, at);
  return length > 0 && !isAnsweredBelow(lines, at + length);
}

/** Lines, four at most, that a quote's introduction takes from `at` on; 0 where none begins there. */
function introductionLength(lines: readonly string[], at: number): number {
  const first = lines[at]!.trim();
  if (first.length > longestLine || first.startsWith('>') || !wroteStart.test(first)) return 0;
  for (let length = 1; length <= 4 && at + length <= lines.length; length++) {
    const last = lines[at + length - 1]!.trim();
    if (length > 1 && last === '') return 0;
    const sentence = lines.slice(at, at + length).map((line) => line.trim());
    const joinedSentence = sentence.join(' ');
    if (joinedSentence.length > 400) return 0;
    if (bareIntroduction.test(joinedSentence) && isQuotedNext(lines, at + length)) return length;
    const introduces = wroteEnd.test(joinedSentence) || wroteMiddle.test(joinedSentence);
    if (introduces && /\d|@/.test(joinedSentence)) return length;
  }
  return 0;
}

/** Takes away the introductions of quotes that are answered below or between their lines. */
function withoutIntroductions(lines: readonly string[]): {
  kept: string[];
  introductions: string | null;
} {
  if (!lines.some((line) => line.startsWith('>'))) return { kept: [...lines], introductions: null };
  const kept: string[] = [];
  const introductions: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    const length = introductionLength(lines, at);
    if (length > 0 && isQuotedNext(lines, at + length)) {
      introductions.push(...lines.slice(at, at + length));
      at += length - 1;
    } else kept.push(lines[at]!);
  }
  return { kept, introductions: introductions.join('\n') || null };
}

/** Takes away what the sender's phone or app wrote below a blank line at the end. */
function withoutFooter(text: string): { text: string; footer: string | null } {
  const at = text.lastIndexOf('\n');
  const footer = text.slice(at + 1);
  const apart = /\n[ \t]*$/.test(text.slice(Math.max(0, at - 100), at));
  const above = text.slice(0, Math.max(0, at)).trimEnd();
  return apart && above !== '' && isAppFooter(footer)
    ? { text: above, footer }
    : { text, footer: null };
}

function isQuotedNext(lines: readonly string[], from: number): boolean {
  return lines[from]?.startsWith('>') || (lines[from] === '' && !!lines[from + 1]?.startsWith('>'));
}

/** Whether after a quote's introduction quoted lines come, and then the sender's own again. */
function isAnsweredBelow(lines: readonly string[], from: number): boolean {
  const signature = lines.findIndex((line, at) => at >= from && /^-- ?$/.test(line));
  const rest = lines.slice(from, signature < 0 ? lines.length : signature);
  const quoted = rest.findIndex((line) => line.startsWith('>'));
  if (quoted < 0) return false;
  // A line right below a quoted one may be its wrapped end; below a blank line it is an answer.
  return rest.some((line, at) => {
    return (
      at > quoted && line.trim() !== '' && !line.startsWith('>') && rest[at - 1]?.trim() === ''
    );
  });
}

/** No text above the quote: the sender's own lines below it, else all of the text. */
function answerBelow(content: string, lines: readonly string[], cut: number): SplitText {
  const tail = lines.slice(cut);
  const own = tail.filter((line, at) => !line.trimStart().startsWith('>') && at > 0);
  const quotes = tail.some((line) => line.trimStart().startsWith('>'));
  const text = own.join('\n').trim();
  if (!quotes || text === '') return { new_content: content, quoted_content: null };
  const rest = lines.filter((line, at) => at <= cut || line.trimStart().startsWith('>'));
  return { new_content: text, quoted_content: joined(rest.join('\n')) };
}

function splitByLibrary(text: string): SplitText {
  const bounded =
    text.length <= libraryLimit && !text.split('\n').some((l) => l.length > longestLine);
  if (!bounded) return splitByMarks(text);
  const fragments = new EmailReplyParser().read(text).getFragments();
  const shown = fragments.filter((fragment) => !fragment.isHidden() && !fragment.isQuoted());
  const hidden = fragments.filter((fragment) => fragment.isHidden() || fragment.isQuoted());
  return {
    new_content: shown.map((fragment) => fragment.getContent()).join('\n'),
    quoted_content: joined(...hidden.map((fragment) => fragment.getContent())),
  };
}

function splitByMarks(text: string): SplitText {
  const lines = text.split('\n');
  return {
    new_content: lines.filter((line) => !line.startsWith('>')).join('\n'),
    quoted_content: lines.filter((line) => line.startsWith('>')).join('\n'),
  };
}
