import type { StartableSimulator } from '../registry.ts';
import { sesSimulator } from './simulator.ts';

export const ses: StartableSimulator = {
  name: 'ses',
  title: 'Amazon SES with its SNS topic and S3 bucket',
  async start(port) {
    const simulator = await sesSimulator({ port });
    return {
      url: simulator.url,
      close: () => simulator.close(),
      pointing: [
        `channel   provider ses, settings {"topic_arn": "${simulator.topic.arn}", "region": "eu-west-1",`,
        `          "access_key_id": "AKIDSIMULATED", "secret_access_key": "secret", "base_url": "${simulator.url}"}`,
        'door      POST /_control/connect {"url": "<ingress_url>"}; it is subscribed before the first mail',
        'mail      POST /_control/deliver?mode=utf8|base64|s3 with a raw mail; GET /_control/sent;',
        '          POST /_control/report {"id", "kind"}',
      ],
    };
  },
};
