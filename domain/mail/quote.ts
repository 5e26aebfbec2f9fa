import EmailReplyParser from 'email-reply-parser';

export interface SplitText {
  new_content: string;
  quoted_content: string | null;
}

// The library's patterns backtrack; beyond this the linear rules below decide alone.
const libraryLimit = 64 * 1024;
const longestLine = 2000;

const names = {
  from: 'from|von|de|da|van|od|från|fra|lähettäjä|от|от кого|发件人|寄件者|差出人|보낸 사람|kimden|από|feladó|expéditeur|remitente|mittente|afzender|remetente',
  sent: 'sent|date|gesendet|datum|envoyé|envoyée|enviado|enviado el|enviada|enviada em|inviato|data|verzonden|fecha|wysłano|skickat|sendt|dato|lähetetty|отправлено|дата|发送时间|日期|寄件日期|送信日時|日時|보낸 날짜|gönderildi|gönderme tarihi|tarih|elküldve|dátum',
  to: 'to|an|à|para|a|aan|do|dla|till|til|vastaanottaja|кому|收件人|宛先|받는 사람|kime|προς|címzett',
  subject:
    'subject|betreff|objet|sujet|asunto|oggetto|assunto|onderwerp|temat|ämne|emne|aihe|тема|主题|主旨|件名|제목|konu|θέμα|tárgy',
};

const headerLine = (words: string): RegExp =>
  new RegExp(String.raw`^[>\s*_|]*\*?(?:${words})\s*\*?\s*[::]\s*\*?\s*\S?`, 'iu');
const fromLine = headerLine(names.from);
const otherLines = [headerLine(names.sent), headerLine(names.to), headerLine(names.subject)];

const divider =
  /^[\s>]*[-_=*]{2,}\s*(original message|original appointment|ursprüngliche nachricht|originalnachricht|message d'origine|message original|mensaje original|mensagem original|messaggio originale|oorspronkelijk bericht|wiadomość oryginalna|ursprungligt meddelande|original ?melding|oprindelig meddelelse|alkuperäinen viesti|исходное сообщение|пересылаемое сообщение|原始邮件|原始郵件|元のメッセージ|원본 메시지|özgün ileti|původní zpráva|reply message|reply above this line)\s*[-_=*]{2,}\s*$/iu;
const replyAbove = /(##-? ?|-{2,} ?)(please )?(type|write|reply)[^\n]{0,40}above this line/iu;

const wroteEnd =
  /(wrote|writes|schrieb|schrieb am|a écrit|escribió|escreveu|ha scritto|scrisse|schreef|napisał(\(a\))?|napisała|skrev|kirjoitti|написал(\(а\))?|написала|пишет|写道|寫道|のメール|님이 작성|şunu yazdı|yazdı|έγραψε|írta|napsal(\(a\))?|napísal)\s*(<[^<>]*>)?\s*[::]?\s*$/iu;
const wroteMiddle =
  /\s(schreef|schrieb|skrev|kirjoitti|escribió|escreveu|napisał(\(a\))?|wrote)\s[^:]{1,120}:\s*$/iu;
// Gmail in languages without such a verb: a date, a name, an address, a colon.
const bareIntroduction = /\d.{0,200}<[^<>\s]{1,100}@[^<>\s]{1,100}>\)?\s*[::]\s*$/u;
const wroteStart =
  /^(on|am|le|el|em|il( giorno)?|op|dnia|w dniu|den|d\.|pe|ma|ti|ke|to|la|su|в|on\b|\d{1,4}[./年-]\d{1,2}|(mon|tue|wed|thu|fri|sat|sun|pon|wt|śr|czw|pt|sob|niedz|пн|вт|ср|чт|пт|сб|вс)[.,\s]|.{1,80}<[^<>\s]+@[^<>\s]+>|.{0,40}\d{4})/iu;

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
  const above = lines.slice(0, cut).join('\n');
  const below = lines.slice(cut).join('\n');
  const split = splitByLibrary(above);
  if (split.new_content.trim() === '') return answerBelow(content, lines, cut);
  return {
    new_content: split.new_content.trim(),
    quoted_content: joined(split.quoted_content, below),
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

/** "On …, Ada wrote:", on up to four lines, with quoted text or nothing of one's own after it. */
function isWrote(lines: readonly string[], at: number): boolean {
  const first = lines[at]!.trim();
  if (first.startsWith('>') || !wroteStart.test(first)) return false;
  for (let length = 1; length <= 4 && at + length <= lines.length; length++) {
    const sentence = lines.slice(at, at + length).map((line) => line.trim());
    if (length > 1 && sentence.at(-1) === '') return false;
    const joinedSentence = sentence.join(' ');
    if (joinedSentence.length > 400) return false;
    const isIntroduction = wroteEnd.test(joinedSentence) || wroteMiddle.test(joinedSentence);
    if (bareIntroduction.test(joinedSentence) && isQuotedNext(lines, at + length)) {
      return !isAnsweredBelow(lines, at + length);
    }
    if (isIntroduction && /\d|@/.test(joinedSentence)) {
      return !isAnsweredBelow(lines, at + length);
    }
  }
  return false;
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
