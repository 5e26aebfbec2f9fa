import type { StartableSimulator } from '../registry.ts';
import { mailgunSimulator } from './simulator.ts';

export const mailgun: StartableSimulator = {
  name: 'mailgun',
  title: 'Mailgun: routes, events, messages.mime',
  async start(port) {
    const simulator = await mailgunSimulator({ port });
    return {
      url: simulator.url,
      close: () => simulator.close(),
      pointing: [
        'channel   provider mailgun, settings {"signing_key": "signing-key", "api_key": "key-mailgun",',
        `          "domain": "mg.example.test", "base_url": "${simulator.url}"}`,
        'door      POST /_control/connect {"url": "<ingress_url>"}',
        'mail      POST /_control/deliver?mode=mime|parsed|stored with a raw mail; GET /_control/sent;',
        '          POST /_control/report {"id", "kind"}',
      ],
    };
  },
};
