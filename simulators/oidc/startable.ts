import express from 'express';
import type { StartableSimulator } from '../registry.ts';
import { createSimulatorServer } from '../server.ts';
import { createConsentEnd } from './consent-end.ts';

const ACCOUNTS = [{ address: 'support@example.test' }, { address: 'sales@example.test' }];

/** Google's and Microsoft's consent and token ends on one address. */
export const oidc: StartableSimulator = {
  name: 'oidc',
  title: 'Google’s and Microsoft’s consent pages and token ends (a real OpenID provider)',
  async start(port) {
    const ends = {
      google: await createConsentEnd({ vendor: 'google', accounts: ACCOUNTS }),
      microsoft: await createConsentEnd({ vendor: 'microsoft', accounts: ACCOUNTS }),
    };
    const simulator = await createSimulatorServer({
      name: 'oidc',
      port,
      unparsed: express.Router().use(ends.google.handler, ends.microsoft.handler),
      routes: () => undefined,
      controls(control) {
        control.get('/tokens', (_request, response) => {
          response.json({ google: ends.google.calls, microsoft: ends.microsoft.calls });
        });
        control.post('/revoke', async (request, response) => {
          const { address } = request.body as { address?: unknown };
          for (const end of Object.values(ends)) await end.revoke(String(address));
          response.status(204).end();
        });
        control.post('/expire', (_request, response) => {
          for (const end of Object.values(ends)) end.expireAccessTokens();
          response.status(204).end();
        });
      },
    });
    return {
      url: simulator.url,
      close: () => simulator.close(),
      pointing: Object.entries(ends)
        .flatMap(([vendor, end]) => [
          `${vendor}: consent ${end.paths.authorization}, tokens ${end.paths.token}, keys ${end.paths.jwks}`,
          `${vendor}: client_id ${end.clientId}, client_secret ${end.clientSecret}`,
        ])
        .concat([
          `accounts ${ACCOUNTS.map(({ address }) => address).join(', ')}`,
          'GET /_control/tokens counts token calls; POST /_control/revoke {address}; POST /_control/expire',
        ]),
    };
  },
};
