import { metaSimulator } from '../../../../simulators/meta/simulator.ts';
import { chatOf, CUSTOMER } from '../whatsapp/answers.ts';
import type { Outside } from './contract.ts';
import { metaChat } from './meta-chat.ts';
import { metaDoor } from './meta-door.ts';
import { metaSender } from './meta-sender.ts';

const settings = {
  phone_number_id: '1122',
  business_account_id: '99',
  access_token: 'token',
  app_secret: 'app-secret',
  verify_token: 'verify',
};

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

export const outside: Outside = {
  async sender() {
    const simulator = await metaSimulator();
    const number = simulator.number();
    simulator.writes(number, { phone: CUSTOMER }, { text: 'Hello' });
    return metaSender(simulator, number, {
      message: chatOf({ text: 'Guten Tag' }),
      refusal: 131026,
    });
  },
  door: () => Promise.resolve(metaDoor(settings, bodyOf)),
  chat: () => metaChat('whatsapp'),
};
