import { expect, test } from '@jest/globals';
import { interactiveProblem } from './interactive.ts';

const buttons = (id: string) => ({ type: 'buttons', buttons: [{ id, title: 'Yes' }] }) as const;
const list = (id: string) =>
  ({
    type: 'list',
    button: 'Choose',
    sections: [{ title: '', rows: [{ id, title: 'Express' }] }],
  }) as const;

test('a list and buttons have ids and texts as long as Meta takes them, each its own', () => {
  const long = (length: number) => 'ü'.repeat(length);
  expect(interactiveProblem(buttons(long(256)), long(1024))).toBeNull();
  expect(interactiveProblem(buttons(long(257)), 'Well?')).toMatch(/id may have 256/);
  expect(interactiveProblem(buttons('yes'), long(1025))).toMatch(/above buttons may have 1024/);
  expect(interactiveProblem(list(long(200)), long(4096))).toBeNull();
  expect(interactiveProblem(list(long(201)), 'Well?')).toMatch(/id may have 200/);
  expect(interactiveProblem(list('express'), long(4097))).toMatch(/above a list may have 4096/);
});
