import type { StartableSimulator } from '../registry.ts';
import { sendgridSimulator } from './simulator.ts';

export const sendgrid: StartableSimulator = {
  name: 'sendgrid',
  title: 'Twilio SendGrid: Inbound Parse, Event Webhook, Mail Send',
  async start(port) {
    const simulator = await sendgridSimulator({ port });
    return {
      url: simulator.url,
      close: () => simulator.close(),
      pointing: [
        `channel   provider sendgrid, settings {"api_key": "SG.key", "base_url": "${simulator.url}",`,
        `          "parse_public_key": "${simulator.parsePublicKey}",`,
        `          "event_public_key": "${simulator.eventPublicKey}"}`,
        'door      POST /_control/connect {"url": "<ingress_url>"}',
        'mail      POST /_control/deliver?mode=raw|parsed with a raw mail; GET /_control/sent;',
        '          POST /_control/report {"id", "kind"}',
      ],
    };
  },
};
