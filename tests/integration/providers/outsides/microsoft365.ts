import type { DoorRequest } from '../../../../providers/contract.ts';
import { graphSimulator, type GraphSimulator } from '../../../../simulators/graph/simulator.ts';
import type { FaultKind } from '../../../../simulators/contract.ts';
import type { Outside, SendFault } from './contract.ts';

let mailboxes = 0;
const freshAddress = () => `support${++mailboxes}@example.test`;

const FAULTS: Record<Exclude<SendFault, 'refused'>, { kind: FaultKind; match: RegExp }> = {
  busy: { kind: 'too_many', match: /^POST .*\/send$/ },
  lost: { kind: 'reset', match: /^POST .*\/messages$/ },
  answer_lost: { kind: 'lost_answer', match: /^POST .*\/send$/ },
};

function failNext(simulator: GraphSimulator, fault: SendFault): void {
  if (fault === 'refused') simulator.refuseNextSend();
  // Longer than anyone waits in place.
  else simulator.faults.failNext({ ...FAULTS[fault], retryAfterSeconds: 120 });
}

const clientState = 'x'.repeat(64);
const watch = {
  id: 'c5b7f3a0-0000-4000-8000-000000000000',
  clientState,
  resource: 'me/messages',
  notificationUrl: 'https://example.test/door',
  expiresAt: '2100-01-01T00:00:00.000Z',
};

function notification(state: object): DoorRequest {
  const value = [
    { subscriptionId: watch.id, clientState, changeType: 'created', resource: 'x' },
    { subscriptionId: watch.id, changeType: 'created', resource: 'x', ...state },
  ];
  return call(JSON.stringify({ value }));
}

function call(body: string): DoorRequest {
  return {
    method: 'POST',
    headers: {},
    query: {},
    body: Buffer.from(body),
    receivedAt: new Date(),
  };
}

export const outside: Outside = {
  async sender() {
    const simulator = await graphSimulator();
    return {
      // Each send is of a mailbox of its own: what a mailbox has sent, it does not send again.
      get settings() {
        return simulator.application(freshAddress());
      },
      sent: () => simulator.sent(),
      failNext: (fault) => failNext(simulator, fault),
      afterLostAnswer: 'uncertain',
      close: () => simulator.close(),
    };
  },

  async mailbox() {
    const simulator = await graphSimulator();
    return {
      account() {
        const address = freshAddress();
        const settings = {
          ...simulator.application(address),
          import_since: '2020-01-01',
          batch_size: 3,
        };
        return {
          settings,
          deliver: (raw) => void simulator.deliver(address, raw),
          refused: { settings: { ...settings, client_secret: 'wrong' } },
        };
      },
      close: () => simulator.close(),
    };
  },

  door: () =>
    Promise.resolve({
      settings: {},
      call: { watch },
      authentic: () => notification({ clientState }),
      forged: () => ({
        'another clientState': notification({ clientState: 'y'.repeat(64) }),
        'a shorter one': notification({ clientState: 'x' }),
        'none at all': notification({}),
        'no notifications': call('{"value":[]}'),
        'no JSON': call('value'),
        'a handshake by GET': { ...call(''), method: 'GET', query: { validationToken: 'x' } },
        'an endless handshake': { ...call(''), query: { validationToken: 'x'.repeat(5000) } },
      }),
      brings: () => ({ sources: [], news: 'mail' }),
      close: () => Promise.resolve(),
    }),
};
