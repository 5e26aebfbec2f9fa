// What mail clients write above the mail that they quote, and below the one that they send.

const names = {
  from: 'from|von|de|da|van|od|från|fra|lähettäjä|от|от кого|发件人|寄件者|差出人|보낸 사람|kimden|από|feladó|expéditeur|remitente|mittente|afzender|remetente',
  sent: 'sent|date|gesendet|datum|envoyé|envoyée|enviado|enviado el|enviada|enviada em|inviato|data|verzonden|fecha|wysłano|skickat|sendt|dato|lähetetty|отправлено|дата|发送时间|日期|寄件日期|送信日時|日時|보낸 날짜|gönderildi|gönderme tarihi|tarih|elküldve|dátum',
  to: 'to|an|à|para|a|aan|do|dla|till|til|vastaanottaja|кому|收件人|宛先|받는 사람|kime|προς|címzett',
  subject:
    'subject|betreff|objet|sujet|asunto|oggetto|assunto|onderwerp|temat|ämne|emne|aihe|тема|主题|主旨|件名|제목|konu|θέμα|tárgy',
};

const headerLine = (words: string): RegExp =>
  new RegExp(String.raw`^[>\s*_|]*\*?(?:${words})\s*\*?\s*[:：]\s*\*?\s*\S?`, 'iu');
export const fromLine = headerLine(names.from);
export const otherLines = [headerLine(names.sent), headerLine(names.to), headerLine(names.subject)];

export const divider =
  /^[\s>]*[-_=*]{2,}\s*(original message|original appointment|ursprüngliche nachricht|originalnachricht|message d'origine|message original|mensaje original|mensagem original|messaggio originale|oorspronkelijk bericht|wiadomość oryginalna|ursprungligt meddelande|original ?melding|oprindelig meddelelse|oprindelig besked|alkuperäinen viesti|исходное сообщение|пересылаемое сообщение|原始邮件|原始郵件|元のメッセージ|원본 메시지|özgün ileti|původní zpráva|reply message|reply above this line)\s*[-_=*]{2,}\s*$/iu;
export const replyAbove = /(##-?|--) ?(please )?(type|write|reply)[^\n]{0,40}above this line/iu;

export const wroteEnd =
  /(wrote|writes|schrieb|schrieb am|a écrit|escribió|escreveu|ha scritto|scrisse|schreef|napisał(\(a\))?|napisała|skrev|kirjoitti|написал(\(а\))?|написала|пишет|geschrieben|het volgende geschreven|pisze|写道|寫道|のメール|[はが]書きました|님이 작성|şunu yazdı|yazdı|έγραψε|írta|napsal(\(a\))?|napísal)\s*(<[^<>]*>)?\s*[:：]?\s*$/iu;
export const wroteMiddle =
  /(\s(schreef|schrieb|skrev|kirjoitti|escribió|escreveu|napisał(\(a\))?|wrote)|^wiadomość napisana przez)\s.{1,200}:\s*$/iu;
export const wroteStart =
  /^(on|am|le|wiadomość napisana przez|el|em|il( giorno)?|op|dnia|w dniu|den|d\.|pe|ma|ti|ke|to|la|su|в|on\b|\d{1,4}[./年-]\d{1,2}|(mon|tue|wed|thu|fri|sat|sun|pon|wt|śr|czw|pt|sob|niedz|пн|вт|ср|чт|пт|сб|вс)[.,\s]|.{1,80}<[^<>\s]{1,100}@[^<>\s]{1,100}>|.{0,40}\d{4})/iu;

const addressAtEnd = /<[^<>\s]{1,100}@[^<>\s]{1,100}>\)?\s*[:：]$/u;

/** An introduction in a language without such a verb: a date, a name, an address, a colon. */
export function isBareIntroduction(sentence: string): boolean {
  const at = sentence.search(addressAtEnd);
  return at >= 0 && /\d/.test(sentence.slice(Math.max(0, at - 200), at));
}

/** One that has year and time of day, so that it is known without a quoted line below it. */
export function isDatedIntroduction(sentence: string): boolean {
  const stamp = sentence.slice(0, Math.max(0, sentence.search(addressAtEnd)));
  return /(^|\D)20\d\d(\D|$)/.test(stamp) && /\d[:.]\d\d(\D|$)/.test(stamp);
}

const sentBy =
  'sent|get|gesendet|beziehen|envoyé|obtenir|téléchargez|enviado|obtener|inviato|scarica|enviada|obter|verzonden|verstuurd|downloaden|wysłan[eo]|pobierz|отправлено|скачайте|送信|入手|发自|发送|获取|skickat|hämta|sendt|lähetetty|hanki|gönderildi|edinin|보냄|다운로드|odesláno';
const device =
  'iphone|ipad|ios|android|samsung|galaxy|huawei|xiaomi|pixel|blackberry|nokia|outlook|windows|yahoo|proton ?mail|gmail|gmx|web\\.de|aol|smartphone|mobile|mobiltelefon|handy';
const sentByWord = new RegExp(`(?:^|[^\\p{L}])(?:${sentBy})(?:$|[^\\p{L}])|送信|入手|发自`, 'iu');
const deviceWord = new RegExp(`(?:^|[^a-z])(?:${device})(?:$|[^a-z])`, 'iu');

/** The line that a phone or an app signs with: "Sent from my iPhone", "Get Outlook for iOS". */
export function isAppFooter(line: string): boolean {
  return line.length <= 120 && sentByWord.test(line) && deviceWord.test(line);
}

const separator = /^(\s*(-{2,4}|_{2,4})|-- |\+{2,4}|={2,4}|_{32})$/;
const closing =
  /^(cheers|best wishes|\w{0,20} ?( and )?regards|\w{0,20} ?cordialement|bien à vous|bonne (journée|soirée))[,!！]{0,2}$/iu;
const sentFrom =
  /^(sent from|get outlook for|gesendet von .{1,60} für|von .{1,60} gesendet$|sendt fra|envoyé (depuis|de mon|à partir de)|télécharger outlook pour|enviado desde|verzonden vanaf|verstuurd vanaf)/iu;

/** The line that a signature begins with: a separator, a closing, the app that it was sent from. */
export function isSignature(line: string): boolean {
  return line.length <= 200 && (separator.test(line) || closing.test(line) || sentFrom.test(line));
}
