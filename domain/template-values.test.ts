import { describe, expect, it } from '@jest/globals';
import { messageTemplate, place } from './message-template.fixture.ts';
import type { MessageTemplate, TemplateLimits } from './message-template.ts';
import { fileProblem, valueProblem } from './template-values.ts';

const LIMITS: TemplateLimits = {
  header: 10,
  body: { most: 30, alone: 100 },
  link: 12,
  spaces: 4,
  files: {
    image: { types: ['image/png'], most: 5 * 1024 * 1024 },
    video: { types: ['video/mp4'], most: 100 },
    document: { types: ['application/pdf'], most: 100 },
  },
};

const problem = (values: Record<string, string>, some: Partial<MessageTemplate> = {}) =>
  valueProblem(messageTemplate(some), values, LIMITS)?.detail ?? null;

describe('a value', () => {
  it.each(['Ada\nLovelace', 'Ada\r', 'Ada\tL.'])('is one line without tabs (%j)', (value) => {
    expect(problem({ 'body.1': value })).toMatch(/"shipped" have a line break or a tab in body\.1/);
  });

  it('has no more spaces in a row than the vendor takes', () => {
    expect(problem({ 'body.1': 'Ada    L.' })).toBeNull();
    expect(problem({ 'body.1': 'Ada     L.' })).toMatch(/more than 4 spaces in a row in body\.1/);
  });

  it('is as long as its place takes: the body as a whole, more where there is nothing else', () => {
    const [fits, long] = ['x'.repeat(23), 'x'.repeat(24)];
    expect(problem({ 'body.1': fits }, { footer: 'The shop' })).toBeNull();
    expect(problem({ 'body.1': long }, { footer: 'The shop' })).toMatch(
      /body 31 characters long; the vendor takes 30\./,
    );
    expect(problem({ 'body.1': long }, { hasButtons: true })).toMatch(/takes 30\./);
    expect(problem({ 'body.1': long })).toBeNull();
    expect(problem({ 'body.1': 'x'.repeat(94) })).toMatch(/101 characters long.* takes 100/);
    const withMore = {
      header: 'Order {{1}}',
      parameters: [place('header', '1'), place('body', '1'), place('button', '1', { button: 0 })],
    };
    const values = { 'header.1': 'x', 'body.1': 'Ada', 'button.0.1': 'x' };
    expect(problem(values, withMore)).toBeNull();
    expect(problem({ ...values, 'header.1': 'x'.repeat(11) }, withMore)).toMatch(
      /11 characters for header\.1; the vendor takes 10 there/,
    );
    expect(problem({ ...values, 'button.0.1': 'x'.repeat(13) }, withMore)).toMatch(
      /13 characters for button\.0\.1; the vendor takes 12/,
    );
  });

  it('is taken as it is where nothing is known of the vendor’s limits', () => {
    expect(valueProblem(messageTemplate(), { 'body.1': 'a\n\n     b' })).toBeNull();
  });
});

describe('a header’s file', () => {
  const MEBIBYTE = 1024 * 1024;

  it('is of the header’s kind and no larger than it takes', () => {
    const says = (contentType: string, size = 50) =>
      fileProblem('image', { contentType, size }, LIMITS);
    expect(says('image/PNG; charset=binary')).toBeNull();
    expect(says('application/pdf')).toMatch(
      /shows a picture \(image\/png\), and this file is application\/pdf\./,
    );
    expect(says('image/png', 5 * MEBIBYTE)).toBeNull();
    expect(says('image/png', 6 * MEBIBYTE)).toMatch(/up to 5 MiB, and this file has 6 MiB/);
    expect(fileProblem('document', { contentType: 'image/png', size: 1 }, LIMITS)).toMatch(
      /a document/,
    );
    expect(fileProblem('image', { contentType: 'x/y', size: 1 }, {})).toBeNull();
  });
});
