import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { OutgoingMessage } from '../../../../providers/contract.ts';
import { messenger } from '../../../../providers/messenger/provider.ts';
import { addTemplate } from '../../../../simulators/meta/templates.ts';
import { fileOf } from '../outgoing.ts';
import { ADA, answer, facebook, lateChat, type Facebook } from './fixture.ts';

let fb: Facebook;
beforeEach(async () => {
  fb = await facebook();
});
afterEach(async () => {
  const { violations } = fb.meta;
  await fb.meta.close();
  expect(violations).toEqual([]);
});

const send = (message: OutgoingMessage, settings: object = {}) =>
  messenger.sender!.send(fb.call({}, settings), message, async () => undefined);
const sent = () => fb.page.sent.map(({ body }) => body);
const refused = (code: number, subcode?: number, message?: string) =>
  fb.meta.refuseNext(fb.page, {
    code,
    ...(subcode !== undefined && { subcode }),
    ...(message !== undefined && { message }),
  });

describe('an answer', () => {
  it('is a response to the person, with our own mark and what it quotes', async () => {
    const receipt = await send(answer('Guten Tag', { id: 'msg_01' }, { quotes: 'm_question' }));
    expect(sent()).toEqual([
      {
        recipient: { id: ADA },
        messaging_type: 'RESPONSE',
        message: { text: 'Guten Tag', metadata: 'postroom:msg_01:own.1@example.test' },
        reply_to: { mid: 'm_question' },
      },
    ]);
    expect(receipt.providerMessageId).toBe(fb.page.sent[0]!.id);
  });

  it('carries the proof that its app wants', async () => {
    fb.page.app.requiresProof = true;
    await send(answer('x'));
    expect(sent()).toHaveLength(1);
    await expect(send(answer('y'), { app_secret: 'another' })).rejects.toMatchObject({
      code: 'messenger.secret_refused',
      class: 'reauthenticate',
      message: expect.stringContaining('app_secret'),
    });
  });

  it('offers quick replies, or buttons', async () => {
    const replies = [
      { id: 'Y', title: 'Yes' },
      { id: 'N', title: 'No' },
    ];
    await send(answer('Well?', {}, { interactive: { type: 'quick_replies', replies } }));
    await send(answer('Well?', {}, { interactive: { type: 'buttons', buttons: replies } }));
    expect(sent()).toMatchObject([
      {
        message: {
          text: 'Well?',
          quick_replies: [
            { content_type: 'text', title: 'Yes', payload: 'Y' },
            { content_type: 'text', title: 'No', payload: 'N' },
          ],
        },
      },
      {
        message: {
          attachment: {
            type: 'template',
            payload: {
              template_type: 'button',
              text: 'Well?',
              buttons: [
                { type: 'postback', title: 'Yes', payload: 'Y' },
                { type: 'postback', title: 'No', payload: 'N' },
              ],
            },
          },
        },
      },
    ]);
  });

  const choices = (count: number, title = 'x') =>
    Array.from({ length: count }, (_, n) => ({ id: String(n), title }));
  it.each([
    ['a text that is too long', () => answer('x'.repeat(2001)), /2001 characters/],
    ['nothing', () => answer(' '), /neither text nor file/],
    [
      'four buttons',
      () => answer('?', {}, { interactive: { type: 'buttons', buttons: choices(4) } }),
      /1 to 3 buttons/,
    ],
    [
      'a long title',
      () =>
        answer('?', {}, { interactive: { type: 'buttons', buttons: choices(1, 'x'.repeat(21)) } }),
      /longer than the 20/,
    ],
    [
      'a list',
      () => answer('?', {}, { interactive: { type: 'list', button: 'b', sections: [] } }),
      /no lists/,
    ],
  ])('is refused as %s, and nothing is sent', async (_what, message, words) => {
    await expect(send(message())).rejects.toMatchObject({
      class: 'give_up',
      code: 'messenger.unfit',
      message: expect.stringMatching(words),
    });
    expect(sent()).toEqual([]);
  });
});

describe('files', () => {
  const png = Buffer.from('89504e470d0a1a0a', 'hex');

  it('are uploaded, and sent one by one after the text', async () => {
    const receipt = await send(
      answer('Here', {
        attachments: [
          fileOf('image/png', 'a.png', png),
          fileOf('application/pdf', 'Rechnung Ä.pdf', Buffer.from('%PDF-1.7')),
        ],
      }),
    );
    const held = [...fb.meta.world.media.all.values()];
    expect(held.map(({ contentType, bytes }) => [contentType, bytes.length])).toEqual([
      ['image/png', png.length],
      ['application/pdf', 8],
    ]);
    expect(sent()).toMatchObject([
      { message: { text: 'Here' } },
      { message: { attachment: { type: 'image', payload: { attachment_id: held[0]!.id } } } },
      { message: { attachment: { type: 'file', payload: { attachment_id: held[1]!.id } } } },
    ]);
    expect(receipt.providerMessageId).toBe(fb.page.sent[0]!.id);
  });

  it('come before a text that offers choices, which would vanish', async () => {
    const replies = [{ id: 'Y', title: 'Yes' }];
    const receipt = await send(
      answer(
        'Is it this one?',
        { attachments: [fileOf('image/png', 'a.png', png)] },
        { interactive: { type: 'quick_replies', replies } },
      ),
    );
    expect(sent()).toMatchObject([
      { message: { attachment: { type: 'image' } } },
      { message: { text: 'Is it this one?', quick_replies: [{ payload: 'Y' }] } },
    ]);
    expect(receipt.providerMessageId).toBe(fb.page.sent[1]!.id);
  });

  it('that are too large are refused before anything goes out', async () => {
    const huge = { ...fileOf('application/zip', 'a.zip', png), size: 26 * 1024 * 1024 };
    await expect(send(answer('x', { attachments: [huge] }))).rejects.toMatchObject({
      class: 'give_up',
      code: 'messenger.file_too_large',
    });
    expect(sent()).toEqual([]);
  });

  it('that fail after the text leave it uncertain: sent anew, the text would come twice', async () => {
    fb.meta.faults.failNext({ kind: 'reset', match: /POST .*message_attachments/ });
    const message = answer('Here', { attachments: [fileOf('image/png', 'a.png', png)] });
    await expect(send(message)).rejects.toMatchObject({ class: 'retry' });
    expect(sent()).toEqual([]);

    let asked = 0;
    const call = fb.call({
      limits: {
        slot: (_most, work) => {
          asked += 1;
          if (asked === 3) refused(551);
          return work();
        },
        pause: () => Promise.resolve(),
      },
    });
    await expect(
      messenger.sender!.send(call, message, async () => undefined),
    ).rejects.toMatchObject({
      code: 'messenger.partly_sent',
      uncertain: true,
      message: expect.stringContaining('1 arrived'),
    });
    expect(sent()).toMatchObject([{ message: { text: 'Here' } }]);
  });

  it('wait out a short limit between their parts', async () => {
    let asked = 0;
    const call = fb.call({
      limits: {
        slot: (_most, work) => {
          asked += 1;
          if (asked === 3) refused(1200);
          return work();
        },
        pause: () => Promise.resolve(),
      },
    });
    const message = answer('Here', { attachments: [fileOf('image/png', 'a.png', png)] });
    await messenger.sender!.send(call, message, async () => undefined);
    expect(sent()).toHaveLength(2);
  });
});

describe('the window', () => {
  it('is Facebook’s to judge: what comes too late is refused in words', async () => {
    fb.meta.world.advance(25 * 3_600_000);
    await expect(send(answer('Too late'))).rejects.toMatchObject({
      class: 'give_up',
      code: 'messenger.window_closed',
      message: expect.stringContaining('HUMAN_AGENT'),
    });
    expect(sent()).toEqual([]);
  });

  it('is followed by a week in which a person may answer', async () => {
    fb.page.token.permissions.add('human_agent');
    fb.meta.world.advance(3 * 24 * 3_600_000);
    await send(answer('Sorry for the wait', {}, lateChat({ tag: 'HUMAN_AGENT' })));
    expect(sent()).toMatchObject([{ messaging_type: 'MESSAGE_TAG', tag: 'HUMAN_AGENT' }]);
    fb.meta.world.advance(5 * 24 * 3_600_000);
    await expect(
      send(answer('Far too late', {}, lateChat({ tag: 'HUMAN_AGENT' }))),
    ).rejects.toMatchObject({ code: 'messenger.window_closed' });
  });

  it('needs no tag while it is open', async () => {
    await send(answer('In time', {}, { tag: 'HUMAN_AGENT' }));
    await send(answer('Ticket closed', { automatic: true }));
    expect(sent().map(({ messaging_type: type }) => type)).toEqual(['RESPONSE', 'UPDATE']);
  });

  it('is not got round by a machine, nor by a tag that Messenger has given up', async () => {
    const late = (tag: string, automatic: boolean) =>
      send(answer('x', { automatic }, lateChat({ tag })));
    await expect(late('HUMAN_AGENT', true)).rejects.toMatchObject({
      code: 'messenger.tag_for_people',
    });
    await expect(late('ACCOUNT_UPDATE', false)).rejects.toMatchObject({
      code: 'messenger.tag_unknown',
    });
    expect(fb.meta.requests.filter(({ method }) => method === 'POST')).toEqual([]);
  });

  it('is told apart from an app that may not use the tag', async () => {
    fb.page.token.permissions.delete('human_agent');
    fb.meta.world.advance(3 * 24 * 3_600_000);
    await expect(send(answer('x', {}, lateChat({ tag: 'HUMAN_AGENT' })))).rejects.toMatchObject({
      class: 'give_up',
      code: 'messenger.tag_not_allowed',
    });
  });
});

describe('a template', () => {
  const body = { type: 'BODY', text: 'Hello {{1}}, your order {{2}} is there.' } as const;
  const template = {
    name: 'order_update',
    language: 'en_US',
    values: { 'body.2': '7-1815', 'body.1': 'Ada' },
  };
  beforeEach(() => {
    addTemplate(fb.page, {
      name: 'order_update',
      language: 'en_US',
      status: 'APPROVED',
      category: 'UTILITY',
      components: [body],
    });
  });

  it('is sent after the window, by a machine too, with its values in order', async () => {
    fb.meta.world.advance(30 * 24 * 3_600_000);
    await send(answer('Hello Ada …', { automatic: true }, lateChat({ template })));
    expect(sent()).toEqual([
      {
        recipient: { id: ADA },
        messaging_type: 'UTILITY',
        message: {
          template: {
            name: 'order_update',
            language: { code: 'en_US' },
            components: [
              {
                type: 'body',
                parameters: [
                  { type: 'text', text: 'Ada' },
                  { type: 'text', text: '7-1815' },
                ],
              },
            ],
          },
          metadata: expect.any(String),
        },
      },
    ]);
  });

  it('is refused where it isn’t there, or the page may not send it', async () => {
    const other = lateChat({ template: { ...template, name: 'other' } });
    await expect(send(answer('x', {}, other))).rejects.toMatchObject({ class: 'give_up' });
    fb.page.token.permissions.delete('page_utility_messaging');
    await expect(send(answer('x', {}, lateChat({ template })))).rejects.toMatchObject({
      class: 'reauthenticate',
      code: 'messenger.permission_missing',
    });
    expect(sent()).toEqual([]);
  });
});

describe('what Facebook refuses', () => {
  it.each([
    [[190, 463], 'reauthenticate', 'token_expired'],
    [[190, 460], 'reauthenticate', 'token_revoked'],
    [[190, 999], 'reauthenticate', 'token_refused'],
    [[10, undefined], 'reauthenticate', 'permission_missing'],
    [[200, 2018028], 'reauthenticate', 'permission_missing'],
    [[230, undefined], 'reauthenticate', 'permission_missing'],
    [[10, 2018278], 'give_up', 'window_closed'],
    [[10, 2018108], 'give_up', 'not_receiving'],
    [[551, 1545041], 'give_up', 'person_unavailable'],
    [[100, 2018001], 'give_up', 'recipient_unknown'],
    [[100, 1893061], 'give_up', 'tag_retired'],
    [[368, undefined], 'give_up', 'page_restricted'],
    [[613, undefined], 'wait', 'too_many_requests'],
    [[4, undefined], 'wait', 'too_many_requests'],
    [[2, undefined], 'retry', 'unavailable'],
    [[1200, undefined], 'retry', 'unavailable'],
  ] as const)('is classified: %j', async ([code, subcode], kind, name) => {
    refused(code, subcode);
    const failure: unknown = await send(answer('Guten Tag')).catch((error: unknown) => error);
    expect(failure).toMatchObject({ class: kind, code: `messenger.${name}` });
    expect(failure).toMatchObject({ message: expect.not.stringMatching(/Guten Tag|7001/) });
    expect(failure).not.toMatchObject({ uncertain: true });
  });

  it('is uncertain where Facebook itself doesn’t know', async () => {
    refused(1);
    await expect(send(answer('x'))).rejects.toMatchObject({
      class: 'retry',
      code: 'messenger.unknown_fault',
      uncertain: true,
    });
  });

  it('keeps the other workers off for as long as it says', async () => {
    const paused: Date[] = [];
    const call = fb.call({
      limits: {
        slot: (_most, work) => work(),
        pause: (until) => {
          paused.push(until);
          return Promise.resolve();
        },
      },
    });
    refused(613);
    await expect(
      messenger.sender!.send(call, answer('x'), async () => undefined),
    ).rejects.toMatchObject({ class: 'wait', retryAfterMs: 10_000 });
    expect(paused).toHaveLength(1);
  });
});
