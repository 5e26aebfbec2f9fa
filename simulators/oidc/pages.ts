import type { Request, Response } from 'express';
import type { Provider } from 'oidc-provider';
import type { Account } from './consent-end.ts';

/**
 * The vendor's account choice and consent in one page: a known `login_hint` is taken at once, else a person picks.
 * Returns whether the request was for a page.
 */
export function consentPages(
  provider: Provider,
  vendor: string,
  accounts: ReadonlyMap<string, Account>,
  granted: (address: string, grantId: string) => void,
) {
  const start = `/consent/${vendor}/`;
  return (request: Request, response: Response): boolean => {
    if (!request.path.startsWith(start)) return false;
    void show(request, response).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      response.status(400).type('text').send(`This consent is over: ${message}`);
    });
    return true;
  };

  async function show(request: Request, response: Response): Promise<void> {
    const { params } = await provider.interactionDetails(request, response);
    const chosen = new URL(request.url, 'http://vendor').searchParams.get('account');
    const { client_id, scope, login_hint } = params as Record<string, string | undefined>; // of a query
    const account = accounts.get(chosen ?? login_hint ?? '');
    if (!account) return choice(request, response);
    if (account.denies)
      return provider.interactionFinished(request, response, {
        error: 'access_denied',
        error_description: 'The person said no.',
      });
    const grantId = await consent(account, client_id ?? '', scope ?? '');
    granted(account.address, grantId);
    await provider.interactionFinished(request, response, {
      login: { accountId: account.address },
      consent: { grantId },
    });
  }

  async function consent({ address, withholds = [] }: Account, clientId: string, scope: string) {
    const grant = new provider.Grant({ accountId: address, clientId });
    const scopes = scope.split(' ');
    grant.addOIDCScope(scopes.filter((one) => !withholds.includes(one)).join(' '));
    const kept = scopes.filter((one) => withholds.includes(one));
    if (kept.length > 0) grant.rejectOIDCScope(kept.join(' '));
    return grant.save();
  }

  function choice(request: Request, response: Response): void {
    const links = [...accounts.keys()].map(
      (address) =>
        `<li><a href="${request.path}?account=${encodeURIComponent(address)}">${escaped(address)}</a></li>`,
    );
    response
      .type('html')
      .send(`<!doctype html><title>Choose an account</title><ul>${links.join('')}</ul>`);
  }
}

const escaped = (text: string) =>
  text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
