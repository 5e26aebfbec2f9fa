import { describe, expect, it } from '@jest/globals';
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
    ['lines of "On"', `${'On '.repeat(300)}\n`.repeat(60)],
    ['one long line', 'x'.repeat(1_000_000)],
    ['many header lines', 'From: x\n'.repeat(100_000)],
    ['dashes', `${'-'.repeat(1900)}\n`.repeat(30)],
    ['many short lines', 'On Monday x\n'.repeat(80_000)],
    ['blank lines', `${'\n'.repeat(500_000)}x`],
  ])('is bounded for %s', (_name, text) => {
    const start = performance.now();
    splitQuoted(text);
    expect(performance.now() - start).toBeLessThan(1500);
  });
});
