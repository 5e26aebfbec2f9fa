import { describe, expect, it } from '@jest/globals';
import EmailReplyParser from 'email-reply-parser';
import { clientReplies } from './fixtures/client-replies.ts';
import { parseMail } from './parse.ts';
import { splitQuoted } from './quote.ts';

const block = (from: string, sent: string, to: string, subject: string): string =>
  `${from}: Support <s@help.example>\n${sent}: 3.3.2025 10:00\n${to}: Ada\n${subject}: Re: x\n\nold`;

// A quote's beginning as mail clients write it, by language.
const beginnings: Record<string, string> = {
  'Outlook, English': block('From', 'Sent', 'To', 'Subject'),
  'Outlook, German': block('Von', 'Gesendet', 'An', 'Betreff'),
  'Outlook, French': `________________________________\n${block('De ', 'Envoyé ', 'À ', 'Objet ')}`,
  'Outlook, Spanish': block('De', 'Enviado el', 'Para', 'Asunto'),
  'Outlook, Italian': block('Da', 'Inviato', 'A', 'Oggetto'),
  'Outlook, Portuguese': block('De', 'Enviada em', 'Para', 'Assunto'),
  'Outlook, Dutch': block('Van', 'Verzonden', 'Aan', 'Onderwerp'),
  'Outlook, Polish': block('Od', 'Wysłano', 'Do', 'Temat'),
  'Outlook, Russian': block('От', 'Отправлено', 'Кому', 'Тема'),
  'Outlook, Chinese': block('发件人', '发送时间', '收件人', '主题'),
  'Outlook, Japanese': block('差出人', '送信日時', '宛先', '件名'),
  'Outlook in bold': '*From:* Support\n*Sent:* Monday\n*To:* Ada\n*Subject:* Re: x\n\nold',
  'Outlook, original message': '-----Ursprüngliche Nachricht-----\nVon: Support\n\nold',
  'Gmail, English': 'On Mon, Mar 3, 2025 at 10:00 AM Support <s@help.example> wrote:\n\n> old',
  'Gmail, broken line':
    'On Mon, Mar 3, 2025 at 10:00 AM Support <\ns@help.example> wrote:\n\n> old',
  'Gmail, German': 'Am Mo., 3. März 2025 um 10:00 Uhr schrieb Support <s@help.example>:\n\n> old',
  'Gmail, French': 'Le lun. 3 mars 2025 à 10:00, Support <s@help.example> a écrit :\n\n> old',
  'Gmail, Spanish': 'El lun, 3 mar 2025 a las 10:00, Support (<s@help.example>) escribió:\n\n> old',
  'Gmail, Italian':
    'Il giorno lun 3 mar 2025 alle ore 10:00 Support <s@help.example> ha scritto:\n\n> old',
  'Gmail, Portuguese':
    'Em seg., 3 de mar. de 2025 às 10:00, Support <s@help.example> escreveu:\n\n> old',
  'Gmail, Dutch': 'Op ma 3 mrt 2025 om 10:00 schreef Support <s@help.example>:\n\n> old',
  'Gmail, Polish': 'pon., 3 mar 2025 o 10:00 Support <s@help.example> napisał(a):\n\n> old',
  'Gmail, Russian': 'пн, 3 мар. 2025 г. в 10:00, Support <s@help.example>:\n\n> old',
  'Gmail, Japanese': '2025年3月3日(月) 10:00 Support <s@help.example>:\n\n> old',
  'Gmail, Danish': 'man. 3. mar. 2025 kl. 10.00 skrev Support <s@help.example>:\n\n> old',
  'Apple Mail': '> On 3 Mar 2025, at 10:00, Support <s@help.example> wrote:\n>\n> old',
  Yahoo: '   On Monday, March 3, 2025, Support <s@help.example> wrote:  \n \n old',
  Thunderbird: 'On 3/3/25 10:00, Support wrote:\n> old',
  Proton: '------- Original Message -------\nOn Monday, Support <s@help.example> wrote:\n\n> old',
};

const words = (text: string): string[] => text.split(/\s+/).filter(Boolean).sort();

describe('splitQuoted', () => {
  it.each(Object.entries(beginnings))('folds away the quote of %s', (_name, quote) => {
    const text = `It works, thanks!\n\n${quote}`;
    const split = splitQuoted(text);
    expect(split.new_content).toBe('It works, thanks!');
    expect(split.quoted_content).toContain('old');
    expect(words(`${split.new_content} ${split.quoted_content}`)).toEqual(words(text));
  });

  it('keeps an answer below the quote', () => {
    const split = splitQuoted(
      'On Mon, Mar 3, 2025 Support <s@h.example> wrote:\n> Broken?\n\nYes.',
    );
    expect(split).toEqual({
      new_content: 'Yes.',
      quoted_content: 'On Mon, Mar 3, 2025 Support <s@h.example> wrote:\n> Broken?',
    });
  });

  it('keeps answers between the quoted lines', () => {
    const split = splitQuoted('> Broken?\n\nYes.\n\n> Since when?\n\nMonday.');
    expect(split.new_content).toBe('Yes.\nMonday.');
  });

  it('folds a signature away', () => {
    expect(splitQuoted('Hello.\n\n-- \nAda Lovelace\nLondon')).toMatchObject({
      new_content: 'Hello.',
      quoted_content: expect.stringContaining('Lovelace'),
    });
  });

  it.each([
    'On Monday he wrote: "it works".\nBut no.',
    'From: my view this is broken.\nTo: be honest, I mean.',
    '> only quotes\n> here',
    '-- \nAda',
    '-----Original Message-----\nFrom: a\nSent: b\nTo: c\n\nold',
  ])('takes nothing away from %j', (text) => {
    expect(splitQuoted(text)).toEqual({ new_content: text, quoted_content: null });
  });

  it('takes a forwarded mail whole', () => {
    const text = `See below.\n\n${beginnings['Outlook, English']}`;
    expect(splitQuoted(text, true)).toEqual({ new_content: text, quoted_content: null });
  });

  it.each([
    ['lines of "On"', `${'On '.repeat(130)}\n`.repeat(2600)],
    ['one long line', 'x'.repeat(1_000_000)],
    ['many header lines', 'From: x\n'.repeat(100_000)],
    ['header lines of blanks', `From${' '.repeat(390)}\n`.repeat(2600)],
    ['dashes', `${'-'.repeat(399)}x\n`.repeat(2600)],
    ['dashes at the end', `x${'-'.repeat(398)}x\n`.repeat(2600)],
    ['many short lines', 'On Monday x\n'.repeat(80_000)],
    ['blank lines', `a${'\n'.repeat(1_000_000)}x`],
    ['blanks in a quote', `> a${' '.repeat(1_000_000)}b\nx`],
    ['introductions without an end', 'abc. x\n'.repeat(70_000) + 'a skrev b\n'.repeat(50_000)],
    ['introductions that are answered', 'On 3/3/25 Ada wrote:\n> a\n\nb\n'.repeat(35_000)],
    ['words of introductions', `x${' onat'.repeat(78)}\n\n`.repeat(2600)],
    ['verbs of introductions', `On 1${' wrote x'.repeat(49)}\n`.repeat(2600)],
    ['addresses', `On 1 <${'@'.repeat(390)}:\n`.repeat(2600)],
    ['digits before an address', `On ${'1'.repeat(300)} <a@b>:\n`.repeat(2600)],
    ['signatures', '-- \n> x\n'.repeat(120_000)],
  ])('takes no long time over a megabyte of %s', (_name, text) => {
    const start = process.cpuUsage();
    splitQuoted(text);
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1000).toBeLessThan(6000);
  });
});

describe('answers of twelve client forms in ten languages', () => {
  const squeeze = (text: string): string => text.replace(/\s+/g, ' ').trim();

  it.each(clientReplies().map((reply) => [reply.name, reply] as const))(
    'edge 35: %s',
    (_name, { text, added }) => {
      const split = splitQuoted(text);
      expect(squeeze(split.new_content)).toBe(squeeze(added));
      expect(words(`${split.new_content} ${split.quoted_content}`)).toEqual(words(text));
    },
  );

  it('are split better than by the library alone', () => {
    const replies = clientReplies();
    const score = (split: (text: string) => string): number =>
      replies.filter(({ text, added }) => squeeze(split(text)) === squeeze(added)).length;
    const ours = score((text) => splitQuoted(text).new_content);
    const library = score((text) => new EmailReplyParser().read(text).getVisibleText());
    console.log(`own replies: ours ${ours}, email-reply-parser ${library}, of ${replies.length}`);
    expect(replies.length).toBeGreaterThanOrEqual(100);
    expect(ours).toBeGreaterThan(library);
  });
});

// What clients put into HTML-only mails; the quote is told by its markup alone.
const markups: Record<string, string> = {
  Gmail:
    '<div dir="ltr">It works, thanks!</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">Am Mo., 3. März 2025 um 10:00 Uhr schrieb Support &lt;<a href="mailto:s@help.example">s@help.example</a>&gt;:<br></div><blockquote class="gmail_quote">old</blockquote></div>',
  'Outlook on the web':
    '<div class="elementToProof">It works, thanks!</div><div id="appendonsend"></div><hr style="width:98%"><div id="divRplyFwdMsg"><font><b>Von:</b> Support &lt;s@help.example&gt;<br><b>Gesendet:</b> Montag, 3. März 2025 10:00<br><b>An:</b> Ada<br><b>Betreff:</b> Re: x</font></div><div>old</div>',
  'Outlook on the desktop':
    '<p class="MsoNormal">It works, thanks!</p><div style="border-top:solid #E1E1E1 1.0pt"><p class="MsoNormal"><b>From:</b> Support &lt;s@help.example&gt; <br><b>Sent:</b> Monday, March 3, 2025 10:00 AM<br><b>To:</b> Ada<br><b>Subject:</b> Re: x</p></div><p>old</p>',
  'Apple Mail':
    '<html><body>It works, thanks!<br><div><br><blockquote type="cite"><div>On 3 Mar 2025, at 10:00, Support &lt;s@help.example&gt; wrote:</div><br><div>old</div></blockquote></div></body></html>',
  Yahoo:
    '<div class="ydp1">It works, thanks!</div><div id="yahoo_quoted_1" class="yahoo_quoted"><div>Em segunda-feira, 3 de março de 2025 10:00:00 BRT, Support &lt;s@help.example&gt; escreveu:</div><div>old</div></div>',
  'Proton Mail':
    '<div>It works, thanks!</div><div class="protonmail_quote">Le lundi 3 mars 2025 à 10:00, Support &lt;s@help.example&gt; a écrit :<br><blockquote class="protonmail_quote" type="cite">old</blockquote></div>',
  Thunderbird:
    '<div class="moz-cite-prefix">On 3/3/25 10:00, Support wrote:<br></div><blockquote type="cite" cite="mid:x">old</blockquote><p>It works, thanks!</p>',
};

describe('an answer in HTML alone', () => {
  it.each(Object.entries(markups))('edge 35: of %s', async (_name, html) => {
    const mail = `From: a@b.example\nSubject: Re: x\nContent-Type: text/html; charset=utf-8\n\n${html}`;
    const { message } = await parseMail(Buffer.from(mail), { receivedAt: new Date(0) });
    expect(message.new_content).toBe('It works, thanks!');
    expect(message.quoted_content).toContain('old');
  });
});

describe('new text', () => {
  it.each([
    '> quoted\n\n> more',
    'On Mon, Mar 3, 2025 Support <s@h.example> wrote:\n\n> old',
    'Sent from my iPhone',
    '-- \nAda',
    '________________________________\nFrom: a\nSent: b\nTo: c\nSubject: d\n\nold',
    'Get Outlook for iOS<https://aka.ms/o0ukef>\n\nOn 3/3/25 Support wrote:\n> old',
  ])('is never empty where there is text: %j', (text) => {
    expect(splitQuoted(text).new_content).not.toBe('');
  });
});
