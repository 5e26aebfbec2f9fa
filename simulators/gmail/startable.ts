import type { StartableSimulator } from '../registry.ts';
import { createGmailSimulator } from './simulator.ts';

const ADDRESS = 'support@gmail.test';

export const gmail: StartableSimulator = {
  name: 'gmail',
  title: 'Gmail with its consent and token ends, and the Pub/Sub that pushes for it',
  async start(port) {
    const simulator = await createGmailSimulator({ port });
    const account = await simulator.account(ADDRESS);
    return {
      url: simulator.url,
      close: () => simulator.close(),
      pointing: [
        `a channel: ${JSON.stringify({ provider: 'gmail', name: 'Gmail', settings: simulator.settingsOf(account) })}`,
        `a mail comes in: curl --data-binary @mail.eml -H 'content-type: message/rfc822' '${simulator.url}/_control/mail?to=${ADDRESS}'`,
        `what was sent: curl '${simulator.url}/_control/sent?from=${ADDRESS}'`,
        'pushes: POST /_control/subscriptions {topic, endpoint, audience, serviceAccount}, GET /_control/pushes',
        `POST /_control/history/expire?of=${ADDRESS}; POST /_control/revoke?of=${ADDRESS}`,
      ],
    };
  },
};
