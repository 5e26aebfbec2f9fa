import type { Request, RequestHandler } from 'express';
import { sealTokens } from '../../db/account-tokens.ts';
import { storedChannelCall } from '../../db/channel-call.ts';
import { AnotherAccount, keepConsent } from '../../db/queries/channel-consent.ts';
import { loadChannel, type LoadedChannel } from '../../db/queries/channels.ts';
import { takeState, type OauthState } from '../../db/queries/oauth-states.ts';
import { ProviderFailure } from '../../domain/failure.ts';
import type { ChannelProvider, ConsentCapability } from '../../providers/contract.ts';
import { hashSecret } from '../../security/api-key.ts';
import type { ApiDeps } from '../deps.ts';
import { Told, toldAsPage, VERIFIER_PURPOSE, type FindProvider } from './connect.ts';
import { sendPage } from './page.ts';
import { sessionOf } from './session.ts';

const EXCHANGE_MS = 30_000;

type Obtained = Awaited<ReturnType<ConsentCapability<unknown>['exchange']>>;

/** Where the vendor leads the browser back to: the code becomes tokens, which are kept, and the channel starts. */
export function callback(deps: ApiDeps, find: FindProvider): RequestHandler<{ provider: string }> {
  return async (req, res) => {
    await toldAsPage(res, async () => {
      const state = await begun(deps, req);
      const channel = await loadChannel(deps.db, deps.keys, state.tenantId, state.channelId);
      const provider = channel && find(channel.provider);
      if (!channel || !provider?.consent || find(req.params.provider) !== provider)
        throw new Told(
          410,
          'The channel is gone',
          'It was deleted while the consent was given; nothing was kept.',
        );
      const code = codeOf(req, provider);
      const obtained = await exchange(deps, provider, provider.consent, channel, state, code);
      await keep(deps, provider, channel, obtained);
      sendPage(res, {
        status: 200,
        title: `${provider.manifest.title} is connected`,
        says: [
          `The channel "${channel.facts.name}" ${obtained.address === null ? 'works now' : `reads ${obtained.address} now`}. You can close this page.`,
          ...(obtained.refreshToken === undefined
            ? [
                'The vendor gave no lasting permission: it has to be connected again when this one ends.',
              ]
            : []),
        ],
      });
    });
  };
}

/** The consent that this browser began. @throws Told */
async function begun(deps: ApiDeps, req: Request): Promise<OauthState> {
  const session = sessionOf(req);
  if (session === null)
    throw new Told(
      403,
      'This consent was begun in another browser',
      'Open the connect link in the browser in which you give the consent, with cookies allowed.',
    );
  const state = await takeState(deps.db, 'state', hashSecret(text(req.query['state'])), session);
  if (state) return state;
  throw new Told(
    410,
    'This consent is not known here',
    'It was used already, is too old, or was begun in another browser. Ask for a new connect link.',
  );
}

/** @throws Told where the vendor or the person said no (RFC 6749 §4.1.2.1) */
function codeOf(req: Request, { manifest }: ChannelProvider): string {
  const { code, error, error_description: description } = req.query;
  if (typeof code === 'string' && code !== '' && error === undefined) return code;
  const why = [text(error), text(description)].filter(Boolean).join(': ').slice(0, 500);
  throw new Told(
    400,
    `${manifest.title} was not connected`,
    error === 'access_denied'
      ? 'The consent was refused, or an administrator there does not allow it.'
      : 'The vendor gave no consent.',
    `It said: ${why || 'nothing'}. Open a new connect link to try again.`,
  );
}

async function exchange(
  deps: ApiDeps,
  provider: ChannelProvider,
  consent: ConsentCapability<unknown>,
  channel: LoadedChannel,
  { verifier, redirectUri }: OauthState,
  code: string,
): Promise<Obtained> {
  const signal = AbortSignal.timeout(EXCHANGE_MS);
  const call = await storedChannelCall(deps, provider, channel, { signal });
  const { id } = channel.facts;
  try {
    return await consent.exchange(call, {
      code,
      codeVerifier: deps.keys.open(VERIFIER_PURPOSE, verifier!, id).toString('utf8'),
      redirectUri: redirectUri!,
    });
  } catch (error) {
    if (!(error instanceof ProviderFailure) && !signal.aborted) throw error;
    call.log.warn({ err: error }, 'a consent could not be exchanged for tokens');
    throw new Told(
      502,
      `${provider.manifest.title} was not connected`,
      error instanceof ProviderFailure ? error.message : 'The vendor did not answer in time.',
      'Open a new connect link to try again.',
    );
  }
}

async function keep(
  deps: ApiDeps,
  { manifest }: ChannelProvider,
  { facts, settings }: LoadedChannel,
  obtained: Obtained,
): Promise<void> {
  const parsed = manifest.settings.parse(settings);
  try {
    const kept = await keepConsent(deps.db, facts.tenantId, facts.id, {
      tokens: sealTokens(deps.keys, facts.id, obtained),
      address: obtained.address,
      accountBy: (address) => manifest.accountOf?.(parsed, address) ?? null,
    });
    if (!kept)
      throw new Told(410, 'The channel is gone', 'It was deleted meanwhile; nothing was kept.');
    await deps.relay.flush(kept.pending);
  } catch (error) {
    if (!(error instanceof AnotherAccount)) throw error;
    throw new Told(
      409,
      'This is another account',
      `The channel "${facts.name}" reads ${error.account}, and the consent is for ${String(obtained.address)}. Nothing was changed.`,
      'Give the consent with the same account, or make another channel for this one.',
    );
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
