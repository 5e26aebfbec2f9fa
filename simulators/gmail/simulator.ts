import type { Faults, Simulator } from '../contract.ts';
import { describedBy } from '../description.ts';
import { planFaults } from '../faults.ts';
import { createConsentEnd, type ConsentEnd } from '../oidc/consent-end.ts';
import { createSimulatorServer } from '../server.ts';
import { errorOf, wording } from './answers.ts';
import { gmailRoutes, type ServedAccount } from './api.ts';
import { gmailControls } from './controls.ts';
import { Mailbox } from './mailbox.ts';
import { PubSub } from './pubsub.ts';
import { Quota } from './quota.ts';

export interface SimulatedAccount extends ServedAccount {
  /** As after a consent to all that a channel asks for. */
  readonly refreshToken: string;
}

/** Gmail, its consent and token ends, and the Pub/Sub that pushes its notifications. */
export interface GmailSimulator extends Simulator {
  readonly consent: ConsentEnd;
  readonly pubsub: PubSub;
  /** How long a watch lives; Gmail's seven days unless it is set. */
  readonly clock: { watchLifeMs: number };
  /** How many requests within batches failed as they were told to; the log of requests shows only the batches. */
  readonly batched: { readonly failed: number };
  /** The account of this address; made where there is none. */
  account(address: string): Promise<SimulatedAccount>;
  /** Settings of a channel that reads this account. */
  settingsOf(account: SimulatedAccount): Record<string, unknown>;
}

const WEEK_MS = 7 * 86_400_000;
const RIGHT = 'https://www.googleapis.com/auth/gmail';

export interface GmailOptions {
  /** Default: any free one. */
  readonly port?: number;
  /** How long access tokens last; default an hour. */
  readonly accessTokenSeconds?: number;
}

export async function createGmailSimulator({
  port = 0,
  accessTokenSeconds,
}: GmailOptions = {}): Promise<GmailSimulator> {
  const consent = await createConsentEnd({
    vendor: 'google',
    ...(accessTokenSeconds !== undefined && { accessTokenSeconds }),
  });
  const pubsub = new PubSub((claims) => consent.signPushToken(claims));
  const accounts = new Map<string, SimulatedAccount>();

  const tell = ({ address, historyId }: Mailbox, labelIds: readonly string[]) => {
    const watch = accounts.get(address)?.watch;
    if (!watch || watch.expiration <= Date.now()) return;
    const isTold =
      watch.labelIds.length === 0 || labelIds.some((label) => watch.labelIds.includes(label));
    if (isTold)
      pubsub.publish(watch.topic, { emailAddress: address, historyId: String(historyId) });
  };

  const account = async (address: string): Promise<SimulatedAccount> => {
    const known = accounts.get(address);
    if (known) return known;
    const made: SimulatedAccount = {
      mailbox: new Mailbox(address, tell),
      quota: new Quota(),
      watch: null,
      refuseSend: null,
      unreadable: new Set(),
      rewritesMessageIds: false,
      refreshToken: await consent.grant(address, [`${RIGHT}.readonly`, `${RIGHT}.send`]),
    };
    accounts.set(address, made);
    return made;
  };

  const bearerOf = async (authorization: string | undefined) => {
    const token = /^Bearer (.+)$/.exec(authorization ?? '')?.[1];
    return token === undefined ? null : consent.bearer(token);
  };

  // Google answers each request of a batch by itself: they fail apart from it, and as often.
  const withinBatches = planFaults();
  const batched = { failed: 0 };
  const clock = { watchLifeMs: WEEK_MS };
  const description = describedBy(['gmail.v1.json'], {
    // https://developers.google.com/workspace/gmail/api/guides/performance#partial-response and system parameters
    everywhere: /^(fields|alt|prettyPrint|quotaUser)$/,
    besides: [
      {
        match: /^POST \/tokeninfo$/,
        source: 'https://developers.google.com/identity/protocols/oauth2/openid-connect',
      },
      {
        match: /^POST \/batch\/gmail\/v1$/,
        source: 'https://developers.google.com/workspace/gmail/api/guides/batch',
      },
    ],
  });
  const simulator = await createSimulatorServer({
    name: 'gmail',
    port,
    unparsed: consent.handler,
    description,
    wording,
    routes(api) {
      gmailRoutes(api, {
        watchLifeMs: () => clock.watchLifeMs,
        failure() {
          const error = errorOf(withinBatches.take('batched')?.kind);
          if (error) batched.failed += 1;
          return error;
        },
        async problem(method, { pathname: path, searchParams: query }) {
          const asked = { method, path, query, headers: {}, body: Buffer.alloc(0) };
          return (await description?.problem(asked)) ?? null;
        },
        async bearer(request) {
          const known = await bearerOf(request.headers.authorization);
          if (known?.address == null) return null;
          return { account: await account(known.address), scopes: known.scopes };
        },
      });
      api.post('/tokeninfo', async (request, response) => {
        const known = await bearerOf(request.headers.authorization);
        if (!known) response.status(400).json({ error: 'invalid_token' });
        else response.json({ scope: known.scopes.join(' '), email: known.address });
      });
    },
    controls: (control) => gmailControls(control, { account, consent, pubsub }),
    closing: () => pubsub.close(),
  });

  const { faults } = simulator;
  // The simulator itself, since its lists grow.
  return Object.assign(simulator, {
    faults: {
      failNext: (fault, count) => faults.failNext(fault, count),
      failSome(rate, kinds, seed) {
        withinBatches.failSome(rate, kinds, seed);
        faults.failSome(rate, kinds, seed);
      },
      clear() {
        withinBatches.clear();
        faults.clear();
      },
    } satisfies Faults,
    consent,
    pubsub,
    account,
    settingsOf: ({ mailbox, refreshToken }: SimulatedAccount) => ({
      base_url: simulator.url,
      client_id: consent.clientId,
      client_secret: consent.clientSecret,
      refresh_token: refreshToken,
      account: mailbox.address,
    }),
    clock,
    batched,
  });
}
