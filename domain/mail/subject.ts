// Reply and forward marks as mail clients write them, by language.
const reply =
  're|aw|antw|antwort|sv|vs|ref|rif|r|res|odp|ynt|vá|vl|atb|bls|yan|отв|ответ|απ|回复|回覆|答复|答覆|返信|답장|回信|enc re|hw';
const forward =
  'fwd|fw|wg|tr|rv|i|enc|vb|vl|pd|vs|ilt|továbbítás|doorst|trans|továbbított|пересл|fs|πρθ|转发|轉寄|轉發|転送|전달';
const counted = String.raw`(?:\s*[[(]\d{1,4}[\])]|\s*\^\d{1,4}|\s*\d{1,3}(?=\s*[:：]))?`;
const mark = new RegExp(String.raw`^\s*(?:${reply}|${forward})${counted}\s*[:：]\s*`, 'iu');
const forwardMark = new RegExp(String.raw`^\s*(?:${forward})${counted}\s*[:：]`, 'iu');
const tag =
  /^\s*\[(?:external|extern|externe|externo|ext|spam|suspected spam|caution|bulk|[^\]#]{0,20}external[^\]#]{0,20})\]\s*:?\s*/iu;
const ticketToken = /\s*\[#\d{1,12}\]\s*/gu;

/** The subject without reply, forward and gateway marks ("Re[5]: AW: [External] x" → "x"). */
export function baseSubject(subject: string): string {
  let rest = subject.slice(0, 2000).trim();
  for (let round = 0; round < 50; round++) {
    const shorter = rest.replace(tag, '').replace(mark, '');
    if (shorter === rest) break;
    rest = shorter;
  }
  return rest.trim();
}

/** What two subjects of one conversation have in common: marks, ticket token and case apart. */
export function subjectKey(subject: string | null): string {
  return baseSubject((subject ?? '').replace(ticketToken, ' '))
    .replace(/\s+/g, ' ')
    .toLowerCase();
}

/** Whether the outermost mark of the subject says that a mail was forwarded. */
export function isForwarded(subject: string | null): boolean {
  return forwardMark.test((subject ?? '').slice(0, 2000).replace(tag, ''));
}

/** The subject of an answer: marked once, in the form every client knows. */
export function replySubject(subject: string | null): string {
  const base = baseSubject(subject ?? '');
  return base === '' ? 'Re: (no subject)' : `Re: ${base}`;
}
