import type { StartableSimulator } from '../registry.ts';
import { metaSimulator } from './simulator.ts';

export const meta: StartableSimulator = {
  name: 'meta',
  title: 'Meta: WhatsApp Business Cloud API and Messenger Platform with webhooks, media, templates',
  async start(port) {
    const simulator = await metaSimulator({ port });
    const number = simulator.number();
    const page = simulator.page();
    const channel = (provider: string, name: string, settings: object) =>
      JSON.stringify({ provider, name, settings });
    return {
      url: simulator.url,
      close: () => simulator.close(),
      pointing: [
        `a channel: ${channel('whatsapp', 'WhatsApp', simulator.settings(number))}`,
        `a channel: ${channel('messenger', 'Messenger', simulator.settings(page))}`,
        'door      POST /_control/connect {"url": "<…/ingress/meta, or a channel’s own ingress_url>"}',
        `WhatsApp  POST /_control/messages {"to": "${number.id}", "from": "+4915112345678", "name": "Ada", "text": "Hello"}`,
        `Messenger POST /_control/messages {"to": "${page.id}", "from": "7000000000000001", "name": "Ada", "text": "Hello"}`,
        'GET /_control/sent, /_control/calls; POST /_control/reports {"id", "kind": "read"}; POST /_control/tokens {"state": "expired"}',
        'POST /_control/clock {"advance_seconds", "window_seconds"}; POST /_control/refusals {"code": 131047, "as": "answer"}',
        'POST /_control/number {"quality_rating": "RED", "messaging_limit": "TIER_250", "per_second": 20}',
      ],
    };
  },
};
