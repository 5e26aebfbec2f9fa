import { createHmac } from 'node:crypto';
import type { DoorRequest, OutgoingMessage } from '../../../../providers/contract.ts';
import { metaSimulator } from '../../../../simulators/meta/simulator.ts';
import { freePort } from '../../../../embedded/ports.ts';
import { providerCall } from '../call.ts';
import { outgoing } from '../outgoing.ts';
import { metaChat } from './meta-chat.ts';
import type { DoorOutside, Outside, SenderOutside } from './contract.ts';

const settings = {
  page_id: '900',
  page_access_token: 'token',
  app_secret: 'app-secret',
  verify_token: 'verify',
};
const ADA = '7001000000000001';

/** A text within the window: a chat has no subject, no copies and no HTML, and takes each file by itself. */
function answer(): OutgoingMessage {
  return {
    ...outgoing(),
    to: [{ name: 'Ada', address: ADA }],
    cc: [],
    attachments: [],
    chat: {
      conversation: {
        address: ADA,
        windowEndsAt: new Date(Date.now() + 3_600_000),
        optedOutAt: null,
      },
      quotes: null,
      template: null,
      interactive: null,
      tag: null,
    },
  };
}

async function sender(): Promise<SenderOutside> {
  const simulator = await metaSimulator();
  const page = simulator.page();
  simulator.says(page, { psid: ADA, name: 'Ada' }, { text: 'Hello' });
  const { network } = providerCall({});
  const unused = `http://127.0.0.1:${await freePort()}`;
  let isUnreachable = false;
  return {
    settings: simulator.settings(page),
    message: answer(),
    call: {
      network: {
        ...network,
        fetch: (url, init) => {
          const to = isUnreachable ? unused : url;
          isUnreachable = false;
          return network.fetch(to, init);
        },
      },
    },
    sent: () => page.sent.map(({ body }) => JSON.stringify(body)),
    afterLostAnswer: 'uncertain',
    failNext(fault) {
      if (fault === 'lost') isUnreachable = true;
      else if (fault === 'busy') simulator.faults.failNext({ kind: 'too_many' });
      else if (fault === 'answer_lost') simulator.faults.failNext({ kind: 'lost_answer' });
      else simulator.refuseNext(page, { code: 551 });
    },
    close: () => simulator.close(),
  };
}

/** A message as Meta's webhook brings it, its text the suite's own. */
function bodyOf(raw: Buffer): Buffer {
  const event = {
    sender: { id: ADA },
    recipient: { id: settings.page_id },
    timestamp: 1763712000000,
    message: { mid: 'm_1', text: raw.toString() },
  };
  return Buffer.from(
    JSON.stringify({ object: 'page', entry: [{ id: settings.page_id, messaging: [event] }] }),
  );
}

function signed(body: Buffer, secret = settings.app_secret): DoorRequest {
  const signature = createHmac('sha256', secret).update(body).digest('hex');
  return {
    method: 'POST',
    headers: { 'x-hub-signature-256': `sha256=${signature}` },
    query: {},
    body,
    receivedAt: new Date(),
  };
}

function door(): Promise<DoorOutside> {
  return Promise.resolve({
    settings,
    authentic: (raw) => signed(bodyOf(raw)),
    forged: (raw) => {
      const call = signed(bodyOf(raw));
      return {
        unsigned: { ...call, headers: {} },
        'signed by another app': signed(bodyOf(raw), 'other'),
        altered: { ...call, body: bodyOf(Buffer.from('other')) },
        'a handshake with another token': {
          ...call,
          method: 'GET',
          body: Buffer.alloc(0),
          query: { 'hub.mode': 'subscribe', 'hub.challenge': '1', 'hub.verify_token': 'other' },
        },
      };
    },
    brings: (raw) => ({ sources: [bodyOf(raw)] }),
    close: () => Promise.resolve(),
  });
}

export const outside: Outside = { sender, door, chat: () => metaChat('messenger') };
