import { describe, expect, it } from '@jest/globals';
import { chooseTemplate } from './chosen-template.ts';
import { messageTemplate, place } from './message-template.fixture.ts';
import type { MessageTemplate } from './message-template.ts';

const template = (some: Partial<MessageTemplate> = {}): MessageTemplate =>
  messageTemplate({
    body: 'Hello {{name}}, parcel {{2}} is on its way.',
    footer: 'The shop',
    parameters: [place('body', 'name'), place('body', '2')],
    ...some,
  });

const VALUES = { name: 'Ada', 2: '42' };

describe('a template', () => {
  it('reads as the customer will read it', () => {
    expect(chooseTemplate({ name: 'shipped', values: VALUES }, [template()])).toEqual({
      template: {
        name: 'shipped',
        language: 'en_US',
        values: { 'body.name': 'Ada', 'body.2': '42' },
      },
      text: 'Hello Ada, parcel 42 is on its way.\n\nThe shop',
      header: null,
    });
  });

  it('values that look like places are not filled in again', () => {
    const values = { name: '{{2}}', 2: '{{name}}' };
    expect(chooseTemplate({ name: 'shipped', values }, [template()])).toMatchObject({
      text: 'Hello {{2}}, parcel {{name}} is on its way.\n\nThe shop',
    });
  });

  it('with a picture above wants an attachment', () => {
    const withPicture = template({
      parameters: [place('header', '1', { kind: 'image' }), place('button', '1', { button: 0 })],
    });
    const values = { 'header.1': 'att_1', 'button.0.1': 'track-42' };
    expect(chooseTemplate({ name: 'shipped', values }, [withPicture])).toMatchObject({
      header: { key: 'header.1', kind: 'image', attachmentId: 'att_1' },
      template: { values, header: 'image' },
    });
    expect(chooseTemplate({ name: 'shipped' }, [withPicture])).toMatchObject({
      code: 'template_values',
      detail: expect.stringContaining('header.1, button.0.1'),
    });
  });

  it('names what is missing, what is empty, and what is too much', () => {
    const wanted = { name: 'shipped', values: { name: ' ', 'header.1': 'x' } };
    expect(chooseTemplate(wanted, [template()])).toEqual({
      code: 'template_values',
      detail:
        '"values" for template "shipped" give nothing for body.name, body.2 and name unknown places header.1. It takes body.name, body.2.',
    });
  });

  it('is taken in the language named, or in the only approved one', () => {
    const all = [template({ language: 'de' }), template({ status: 'paused', reason: 'Quality.' })];
    expect(chooseTemplate({ name: 'shipped', values: VALUES }, all)).toMatchObject({
      template: { language: 'de' },
    });
    const named = (language: string) =>
      chooseTemplate({ name: 'shipped', language, values: VALUES }, all);
    expect(named('en_US')).toMatchObject({
      code: 'template_not_approved',
      detail: expect.stringContaining('paused and may not be sent. The vendor says: Quality.'),
    });
    expect(named('fr')).toMatchObject({
      code: 'unknown_template',
      detail: expect.stringContaining('de, en_US'),
    });
  });
});
