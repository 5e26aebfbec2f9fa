import { createHash } from 'node:crypto';
import type { Request, RequestHandler, Response } from 'express';
import { loadChannel, type LoadedChannel } from '../../db/queries/channels.ts';
import { insertState, takeState } from '../../db/queries/oauth-states.ts';
import { ProviderFailure } from '../../domain/failure.ts';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import type { ChannelProvider, ConsentCapability } from '../../providers/contract.ts';
import { withInstallationApp } from '../../providers/environment.ts';
import { hashSecret } from '../../security/api-key.ts';
import type { ApiDeps } from '../deps.ts';
import type { Authenticate } from '../middleware/authentication.ts';
import { sendPage, type Page } from './page.ts';
import { ensureSession, newSecret } from './session.ts';

/** A consent is given within this, or begun anew. */
export const CONSENT_SECONDS = 15 * 60;
export const VERIFIER_PURPOSE = 'oauth-verifier';

export type FindProvider = (nameOrAlias: string) => ChannelProvider | undefined;

/** Something that a person is told instead of being led on. */
export class Told extends Error {
  override name = 'Told';
  readonly page: Page;
  constructor(status: number, title: string, ...says: string[]) {
    super(title);
    this.page = { status, title, says };
  }
}

/** Makes a link to the vendor's consent page for one channel, good once and for a short time. */
export async function connectLink(
  deps: ApiDeps,
  channel: { readonly tenantId: TenantId; readonly id: ChannelId; readonly provider: string },
): Promise<{ url: string; expiresAt: Date }> {
  const link = newSecret();
  const expiresAt = new Date(Date.now() + CONSENT_SECONDS * 1000);
  const { tenantId, id: channelId } = channel;
  await insertState(deps.db, {
    kind: 'link',
    hash: hashSecret(link),
    tenantId,
    channelId,
    expiresAt,
  });
  return {
    url: `${deps.config.publicUrl}/oauth/${channel.provider}/connect?link=${link}`,
    expiresAt,
  };
}

/**
 * Leads an admin's browser to the vendor's consent page: by a link of `POST /v1/channels/{id}/connect`, or for a key
 * that may administer channels. State and PKCE (RFC 7636, S256) are bound to this browser and this channel.
 */
export function connect(
  deps: ApiDeps,
  authenticate: Authenticate,
  find: FindProvider,
): RequestHandler<{ provider: string }> {
  return async (req, res) => {
    await toldAsPage(res, async () => {
      const { tenantId, channelId } = await wanted(deps, authenticate, req);
      const channel = await loadChannel(deps.db, deps.keys, tenantId, channelId);
      const provider = channel && find(channel.provider);
      if (!channel || !provider?.consent || find(req.params.provider) !== provider)
        throw new Told(
          404,
          'There is nothing to connect',
          'This channel is gone, or it is of another provider, or its provider has no consent page.',
        );
      res.redirect(302, await begin(deps, provider.consent, provider, channel, req, res));
    });
  };
}

/** Who may connect which channel. */
async function wanted(deps: ApiDeps, authenticate: Authenticate, req: Request) {
  const { link, channel } = req.query;
  if (typeof link === 'string') {
    const taken = await takeState(deps.db, 'link', hashSecret(link), null);
    if (taken) return taken;
    throw new Told(
      410,
      'This link does not work any more',
      'A connect link works once, for a quarter of an hour. Ask for a new one.',
    );
  }
  const { tenantId } = await authenticate(req, 'channels:admin');
  return { tenantId, channelId: typeof channel === 'string' ? channel : '' };
}

async function begin(
  deps: ApiDeps,
  consent: ConsentCapability<unknown>,
  { manifest }: ChannelProvider,
  { facts, settings }: LoadedChannel,
  req: Request<{ provider: string }>,
  res: Response,
): Promise<string> {
  const [state, verifier] = [newSecret(), newSecret()];
  const redirectUri = `${deps.config.publicUrl}/oauth/${encodeURIComponent(req.params.provider)}/callback`;
  const whole = withInstallationApp(manifest, settings, deps.config.environment);
  const url = authorizationUrl(manifest.title, () =>
    consent.authorizationUrl(manifest.settings.parse(whole), {
      redirectUri,
      state,
      codeChallenge: createHash('sha256').update(verifier).digest('base64url'),
      address: facts.address,
    }),
  );
  const secure = deps.config.publicUrl.startsWith('https:');
  await insertState(deps.db, {
    kind: 'state',
    hash: hashSecret(state),
    tenantId: facts.tenantId,
    channelId: facts.id,
    expiresAt: new Date(Date.now() + CONSENT_SECONDS * 1000),
    sessionHash: ensureSession(req, res, secure, CONSENT_SECONDS),
    verifier: deps.keys.seal(VERIFIER_PURPOSE, Buffer.from(verifier), facts.id),
    redirectUri,
  });
  return url;
}

function authorizationUrl(title: string, make: () => string): string {
  try {
    return make();
  } catch (error) {
    const why =
      error instanceof ProviderFailure
        ? error.message
        : 'The channel’s settings do not fit its provider; save them anew.';
    throw new Told(422, `${title} can't be connected yet`, why);
  }
}

/** Answers with the page that was thrown; anything else goes its way. */
export async function toldAsPage(res: Response, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Told)) throw error;
    sendPage(res, error.page);
  }
}
