import type { StartableSimulator } from '../registry.ts';
import { postmarkSimulator } from './simulator.ts';

export const postmark: StartableSimulator = {
  name: 'postmark',
  title: 'Postmark: inbound webhook, reports, POST /email',
  async start(port) {
    const simulator = await postmarkSimulator({ port });
    return {
      url: simulator.url,
      close: () => simulator.close(),
      pointing: [
        'channel   provider postmark, settings {"basic_auth": {"username": "postmark", "password": "secret"},',
        `          "api_key": "server-token", "base_url": "${simulator.url}"}`,
        'door      POST /_control/connect {"url": "<ingress_url with postmark:secret@ before the host>"}',
        'mail      POST /_control/deliver with a raw mail; GET /_control/sent; POST /_control/report {"id", "kind"}',
      ],
    };
  },
};
