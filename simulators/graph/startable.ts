import type { StartableSimulator } from '../registry.ts';
import { graphSimulator } from './simulator.ts';

const ADDRESS = 'support@graph.test';

export const graph: StartableSimulator = {
  name: 'graph',
  title: 'Microsoft Graph’s mail with sign-in, change notifications and uploads',
  async start(port) {
    const simulator = await graphSimulator({ port });
    const channel = (settings: object) =>
      JSON.stringify({ provider: 'microsoft365', name: 'Microsoft 365', settings });
    return {
      url: simulator.url,
      close: () => simulator.close(),
      pointing: [
        `a channel (application): ${channel(simulator.application(ADDRESS))}`,
        `a channel (delegated): ${channel(await simulator.delegated(ADDRESS))}`,
        `a mail comes in: curl --data-binary @mail.eml -H 'content-type: message/rfc822' '${simulator.url}/_control/mail?to=${ADDRESS}'`,
        `what was sent: curl '${simulator.url}/_control/sent?from=${ADDRESS}'`,
        'POST /_control/lifecycle?event=reauthorizationRequired|subscriptionRemoved|missed; POST /_control/forget-deltas',
        `POST /_control/silence; POST /_control/no-batches; POST /_control/revoke-consent?of=${ADDRESS}`,
      ],
    };
  },
};
