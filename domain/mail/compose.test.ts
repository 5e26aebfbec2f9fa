import { describe, expect, it } from '@jest/globals';
import { createTransport } from 'nodemailer';
import { composeReply, type ReplyDraft } from './compose.ts';
import { parseMail } from './parse.ts';

const draft: ReplyDraft = {
  ticket: { number: 12, subject: 'AW: Re: Drucker 🖨 defekt' },
  channelAddress: { name: 'Grüße, Support', address: 'support@help.example' },
  to: [{ name: 'Ada', address: 'ada@example.com' }],
  messageId: 'ours@help.example',
  inReplyTo: 'second@example.com',
  references: ['first@example.com', 'second@example.com'],
  text: 'Schon unterwegs.',
  origin: 'postroom-test',
  date: new Date('2026-03-01T10:00:00Z'),
};

async function sent(
  changes: Partial<ReplyDraft>,
): Promise<{ raw: string; mail: Awaited<ReturnType<typeof parseMail>> }> {
  const transport = createTransport({ streamTransport: true, buffer: true });
  const info = await transport.sendMail(composeReply({ ...draft, ...changes }));
  const raw = Buffer.from(info.message as Buffer);
  return {
    raw: raw.toString('latin1'),
    mail: await parseMail(raw, { receivedAt: new Date(0), keepContent: true }),
  };
}

describe('composeReply, sent by nodemailer and read again', () => {
  it('is threaded under the mail it answers', async () => {
    const { message } = (await sent({})).mail;
    expect(message).toMatchObject({
      message_id: 'ours@help.example',
      in_reply_to: ['second@example.com'],
      references: ['first@example.com', 'second@example.com'],
      subject: 'Re: Drucker 🖨 defekt',
      sender: { name: 'Grüße, Support', address: 'support@help.example' },
      timestamp: '2026-03-01T10:00:00.000Z',
      new_content: 'Schon unterwegs.',
    });
  });

  it('carries text, HTML and attachments with names in any script', async () => {
    const content = Buffer.from([0, 1, 2, 255]);
    const { message, attachments } = (
      await sent({
        html: '<p>Schon <b>unterwegs</b>.</p>',
        attachments: [{ filename: 'Übersicht 見積.pdf', contentType: 'application/pdf', content }],
      })
    ).mail;
    expect(message.html).toContain('<b>unterwegs</b>');
    expect(attachments[0]).toMatchObject({
      filename: 'Übersicht 見積.pdf',
      contentType: 'application/pdf',
      content,
    });
  });

  it('marks automatic mail, and only that, so that no machine answers it', async () => {
    const automatic = await sent({ automatic: true });
    expect(automatic.raw).toMatch(/^Auto-Submitted: auto-replied\r$/m);
    expect(automatic.mail.automatic.automatic).toBe(true);
    const byHand = await sent({});
    expect(byHand.mail.automatic.automatic).toBe(false);
    expect(byHand.mail.loopHeaders.origins).toEqual(['postroom-test']);
  });

  it('lets no value begin a header of its own', async () => {
    const evil = 'x\r\nBcc: victim@example.org\r\n\r\nbody';
    const { raw, mail } = await sent({
      ticket: { number: 1, subject: evil },
      to: [
        { name: evil, address: 'ada@example.com' },
        { name: '', address: 'a@b\r\nBcc: v@w' },
      ],
      cc: [{ name: '', address: 'c@d.example\nBcc: v@w' }],
      channelAddress: { name: evil, address: 'support@help.example' },
      inReplyTo: 'a@b>\r\nBcc: v@w',
      references: [evil],
      origin: evil,
      attachments: [
        {
          filename: `${evil}.txt`,
          contentType: `text/plain\r\nX-Evil: 1`,
          content: Buffer.from('x'),
        },
      ],
    });
    expect(raw).not.toMatch(/^(bcc|x-evil)\s*:/im);
    expect(mail.message.bcc).toEqual([]);
    expect(mail.message.to.map((entry) => entry.address)).toEqual(['ada@example.com']);
    expect(mail.message.references).toEqual([]);
  });

  it('keeps the first and the newest of a long chain, and repeats no recipient', () => {
    const references = Array.from({ length: 80 }, (_, at) => `m${at}@example.com`);
    const options = composeReply({
      ...draft,
      references,
      cc: [
        { name: '', address: 'ADA@example.com' },
        { name: '', address: 'support@help.example' },
      ],
    });
    expect(options.references).toHaveLength(30);
    expect(options.references).toEqual(
      expect.arrayContaining(['<m0@example.com>', '<m79@example.com>']),
    );
    expect(options.cc).toEqual([]);
  });

  it('refuses a draft that nobody would get', () => {
    expect(() => composeReply({ ...draft, to: [{ name: 'x', address: 'nobody' }] })).toThrow(
      /no recipient/,
    );
  });
});
