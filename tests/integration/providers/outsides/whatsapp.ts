import { createHmac } from 'node:crypto';
import type { DoorRequest } from '../../../../providers/contract.ts';
import { metaSimulator } from '../../../../simulators/meta/simulator.ts';
import { providerCall } from '../call.ts';
import { chatOf, CUSTOMER, unused } from '../whatsapp/answers.ts';
import type { DoorOutside, Outside, SenderOutside } from './contract.ts';
import { metaChat } from './meta-chat.ts';

const settings = {
  phone_number_id: '1122',
  business_account_id: '99',
  access_token: 'token',
  app_secret: 'app-secret',
  verify_token: 'verify',
};

/** A message as Meta's webhook brings it, its text the suite's own. */
function bodyOf(raw: Buffer): Buffer {
  const value = {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '4930901820', phone_number_id: '1122' },
    contacts: [{ profile: { name: 'Ada' }, wa_id: '4915112345678' }],
    messages: [
      {
        from: '4915112345678',
        id: 'wamid.1',
        timestamp: '1763712000',
        type: 'text',
        text: { body: raw.toString() },
      },
    ],
  };
  const entry = [{ id: '99', changes: [{ field: 'messages', value }] }];
  return Buffer.from(JSON.stringify({ object: 'whatsapp_business_account', entry }));
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
      const handshake = (query: Record<string, string>) => ({
        ...call,
        method: 'GET',
        body: Buffer.alloc(0),
        query: { 'hub.mode': 'subscribe', 'hub.challenge': '1', ...query },
      });
      return {
        unsigned: { ...call, headers: {} },
        'signed by another app': signed(bodyOf(raw), 'other'),
        altered: { ...call, body: bodyOf(Buffer.from('other')) },
        'of the former signature': {
          ...call,
          headers: { 'x-hub-signature': `sha1=${'0'.repeat(40)}` },
        },
        'a handshake with another token': handshake({ 'hub.verify_token': 'other' }),
        'a handshake without a token': handshake({}),
      };
    },
    brings: (raw) => ({ sources: [bodyOf(raw)] }),
    close: () => Promise.resolve(),
  });
}

async function sender(): Promise<SenderOutside> {
  const simulator = await metaSimulator();
  const number = simulator.number();
  simulator.writes(number, { phone: CUSTOMER }, { text: 'Hello' });
  const { network } = providerCall({});
  let isUnreachable = false;
  return {
    settings: simulator.settings(number),
    call: {
      network: {
        ...network,
        fetch: async (url, init) => {
          if (!isUnreachable) return network.fetch(url, init);
          isUnreachable = false;
          return network.fetch(await unused(), init);
        },
      },
    },
    message: chatOf({ text: 'Guten Tag' }),
    sent: () => number.sent.map(({ body }) => JSON.stringify(body)),
    afterLostAnswer: 'uncertain',
    failNext(fault) {
      const match = /^POST .*\/messages/;
      if (fault === 'lost') isUnreachable = true;
      else if (fault === 'busy') simulator.faults.failNext({ kind: 'too_many', match });
      else if (fault === 'answer_lost') simulator.faults.failNext({ kind: 'lost_answer', match });
      else simulator.refuseNext(number, { code: 131026 });
    },
    close: () => simulator.close(),
  };
}

export const outside: Outside = { door, sender, chat: () => metaChat('whatsapp') };
