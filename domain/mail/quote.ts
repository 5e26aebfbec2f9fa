import {
  divider,
  fromLine,
  isAppFooter,
  isBareIntroduction,
  isDatedIntroduction,
  isSignature,
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

/** No client introduces a quote in more; the patterns take time in the square of a line's length. */
const longestIntroduction = 400;

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
  const split = splitByMarks(kept);
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
      .map((text) => (text ?? '').trimEnd().replace(/^\n+/, ''))
      .filter((text) => text !== '')
      .join('\n') || null
  );
}

/** Line at which the quoted mail begins, or the number of lines where none does. */
function findCut(lines: readonly string[]): number {
  const answers = answersBelow(lines);
  const cut = lines.findIndex((line, at) => {
    if (isHeaderBlock(lines, at)) return true;
    if (line.length <= longestIntroduction && (divider.test(line) || replyAbove.test(line)))
      return true;
    const length = introductionLength(lines, at);
    return length > 0 && !answers.isAnswered(at + length);
  });
  if (cut < 0) return lines.length;
  return /^[_-]{5,}\s*$/.test(lines[cut - 1] ?? '') ? cut - 1 : cut;
}

/** Outlook's block: a From line, and two more header lines within the next few. */
function isHeaderBlock(lines: readonly string[], at: number): boolean {
  if (!fromLine.test(lines[at]!.slice(0, longestIntroduction))) return false;
  const next = lines.slice(at + 1, at + 8).map((line) => line.slice(0, longestIntroduction));
  return otherLines.filter((pattern) => next.some((line) => pattern.test(line))).length >= 2;
}

/** Lines, four at most, that a quote's introduction ("On …, Ada wrote:") takes from `at` on; 0 where none begins there. */
function introductionLength(lines: readonly string[], at: number): number {
  const first = withoutDashes(lines[at]!.trim());
  if (first.length > longestIntroduction || first.startsWith('>') || !wroteStart.test(first))
    return 0;
  if (isDatedIntroduction(first) && (lines[at - 1] ?? '').trim() === '') return 1;
  let sentence = '';
  for (let length = 1; length <= 4 && at + length <= lines.length; length++) {
    const next = withoutDashes(lines[at + length - 1]!.trim());
    if (length > 1 && next === '') return 0;
    sentence = length === 1 ? next : `${sentence} ${next}`;
    if (sentence.length > longestIntroduction) return 0;
    if (isBareIntroduction(sentence) && isQuotedNext(lines, at + length)) return length;
    const introduces = wroteEnd.test(sentence) || wroteMiddle.test(sentence);
    if (introduces && /\d|@/.test(sentence)) return length;
  }
  return 0;
}

function withoutDashes(line: string): string {
  return line
    .replace(/^-+/, '')
    .replace(/(?<!-)-+$/, '')
    .trim();
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

/** Whether a quoted line comes next, below three blank ones at most. */
function isQuotedNext(lines: readonly string[], from: number): boolean {
  const next = lines.slice(from, from + 4).find((line) => line.trim() !== '');
  return next?.startsWith('>') ?? false;
}

/** Tells where after a quote's introduction quoted lines come, and then the sender's own again. */
function answersBelow(lines: readonly string[]): { isAnswered(from: number): boolean } {
  // Read once from the end: looking anew from every introduction would take the square of their number.
  const quoted = new Int32Array(lines.length + 1).fill(-1);
  const answered = new Int32Array(lines.length + 1).fill(-1);
  for (let at = lines.length - 1; at >= 0; at--) {
    const line = lines[at]!;
    if (/^-- ?$/.test(line)) continue;
    // A line right below a quoted one may be its wrapped end; below a blank line it is an answer.
    const isOwn = line.trim() !== '' && !line.startsWith('>') && lines[at - 1]?.trim() === '';
    quoted[at] = line.startsWith('>') ? at : quoted[at + 1]!;
    answered[at] = isOwn ? at : answered[at + 1]!;
  }
  return {
    isAnswered: (from) => quoted[from]! >= 0 && answered[quoted[from]! + 1]! >= 0,
  };
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

/** Apart by their marks: quoted lines, and signatures up to the next quoted line. */
function splitByMarks(lines: readonly string[]): SplitText {
  const runs: { isHidden: boolean; lines: string[] }[] = [];
  let isSigned = false;
  for (const line of lines) {
    const isQuoted = line.startsWith('>');
    isSigned = !isQuoted && (isSigned || isSignature(line));
    const isHidden = isQuoted || isSigned;
    const run = runs.at(-1);
    if (run?.isHidden === isHidden) run.lines.push(line);
    else runs.push({ isHidden, lines: [line] });
  }
  const text = (hidden: boolean): string | null =>
    joined(...runs.filter((run) => run.isHidden === hidden).map((run) => run.lines.join('\n')));
  return { new_content: text(false) ?? '', quoted_content: text(true) };
}
