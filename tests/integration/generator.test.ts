import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { parseMail } from '../../domain/mail/parse.ts';
import { generateMails, type GeneratedMail } from '../generator/mails.ts';

const mails = [...generateMails({ seed: 7, count: 1000, largeAttachment: 2_000_000 })];

/** What a reader gets of a mail, in the form of the truth. */
async function reading({ raw, deliveredAt }: GeneratedMail) {
  const { message } = await parseMail(raw, { receivedAt: deliveredAt });
  return {
    kind: message.kind,
    messageId: message.message_id,
    from: message.sender,
    to: message.to,
    cc: message.cc,
    subject: message.subject,
    text: message.new_content,
    attachments: message.attachments
      .map(({ filename, sha256, size, inline }) => ({ filename, sha256, size, inline }))
      .sort(byName),
  };
}

function byName(a: { filename: string }, b: { filename: string }): number {
  return a.filename < b.filename ? -1 : 1;
}

describe('generated mails', () => {
  it('are read as their truth says, each of them', async () => {
    for (const mail of mails) {
      const { kind, messageId, from, to, cc, subject, text, attachments } = mail.truth;
      const read = await reading(mail);
      expect(read).toEqual({
        kind,
        messageId,
        from,
        to,
        cc,
        subject,
        text,
        attachments: attachments ? [...attachments].sort(byName) : read.attachments,
      });
    }
  });

  it('are the same for the same seed, and others for another', () => {
    const digest = (seed: number) => {
      const hash = createHash('sha256');
      for (const { raw } of generateMails({ seed, count: 200 })) hash.update(raw);
      return hash.digest('hex');
    };
    expect(digest(3)).toBe(digest(3));
    expect(digest(3)).not.toBe(digest(4));
  });

  it('hold every difficulty', () => {
    const fresh = mails.filter((mail) => !mail.isCopy);
    const heads = fresh.map(({ raw }) => raw.toString('latin1').split(/\r?\n\r?\n/, 1)[0]!);
    const seen = new Set<string>();
    const earlyChildren = fresh.filter(({ truth }, at) => {
      const cited = [
        ...(/^References: (.*(?:\r?\n .*)*)/m.exec(heads[at]!)?.[1] ?? '').matchAll(/<([^>]+)>/g),
      ];
      if (truth.messageId) seen.add(truth.messageId);
      return cited.some(
        ([, id]) => !seen.has(id!) && fresh.some((one) => one.truth.messageId === id),
      );
    });
    expect(new Set(fresh.map(({ truth }) => truth.charset)).size).toBeGreaterThanOrEqual(14);
    expect(earlyChildren.length).toBeGreaterThan(30);
    expect(mails.length - fresh.length).toBeGreaterThan(5);
    expect(fresh.filter(({ truth }) => truth.messageId === null).length).toBeGreaterThan(5);
    expect(fresh.filter(({ truth }) => truth.kind === 'bounce').length).toBeGreaterThan(5);
    expect(fresh.filter(({ truth }) => truth.kind === 'auto_reply').length).toBeGreaterThan(5);
    expect(
      fresh.filter(({ truth }) => /@stranger\./.test(truth.from.address)).length,
    ).toBeGreaterThan(20);
    expect(
      fresh.filter(({ truth }) => truth.attachments?.some((file) => file.inline)).length,
    ).toBeGreaterThan(20);
    expect(
      fresh.filter(({ truth }) => truth.attachments?.some((file) => file.size === 0)).length,
    ).toBeGreaterThan(3);
    expect(
      fresh.filter(({ truth }) => truth.attachments?.some((file) => file.size === 2_000_000)),
    ).toHaveLength(1);
    expect(fresh.filter(({ raw }) => !raw.includes('\r\n')).length).toBeGreaterThan(10);
  });
});
