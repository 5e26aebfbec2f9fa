import type { DoorRequest } from '../../../../providers/contract.ts';
import type { Outside } from './contract.ts';
import { submissionOutside } from './submission.ts';

const request = (body: Buffer, authorization?: string): DoorRequest => ({
  method: 'POST',
  headers: { authorization },
  query: {},
  body,
  receivedAt: new Date(),
});

export const outside: Outside = {
  sender: () => submissionOutside(),
  door: () =>
    Promise.resolve({
      settings: {},
      token: 'right',
      authentic: (raw) => request(raw, 'Bearer right'),
      forged: (raw) => ({
        'no token': request(raw),
        'an empty header': request(raw, ''),
        'a wrong token': request(raw, 'Bearer wrong'),
        'a token without its scheme': request(raw, 'right'),
        'another scheme': request(raw, 'Basic right'),
      }),
      brings: (raw) => ({ sources: [raw] }),
      close: () => Promise.resolve(),
    }),
};
