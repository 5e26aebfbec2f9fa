import { metaSimulator } from '../../../../simulators/meta/simulator.ts';
import { ADA, answer } from '../messenger/fixture.ts';
import type { Outside } from './contract.ts';
import { metaChat } from './meta-chat.ts';
import { metaDoor } from './meta-door.ts';
import { metaSender } from './meta-sender.ts';

const settings = {
  page_id: '900',
  page_access_token: 'token',
  app_secret: 'app-secret',
  verify_token: 'verify',
};

function bodyOf(raw: Buffer): Buffer {
  const event = {
    sender: { id: ADA },
    recipient: { id: settings.page_id },
    timestamp: 1763712000000,
    message: { mid: 'm_1', text: raw.toString() },
  };
  const entry = [{ id: settings.page_id, messaging: [event] }];
  return Buffer.from(JSON.stringify({ object: 'page', entry }));
}

export const outside: Outside = {
  async sender() {
    const simulator = await metaSimulator();
    const page = simulator.page();
    simulator.says(page, { psid: ADA, name: 'Ada' }, { text: 'Hello' });
    return metaSender(simulator, page, { message: answer('Guten Tag'), refusal: 551 });
  },
  door: () => Promise.resolve(metaDoor(settings, bodyOf)),
  chat: () => metaChat('messenger'),
};
