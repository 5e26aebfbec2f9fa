import { consentAsBrowser } from '../../../../simulators/oidc/browser.ts';
import type { FaultChannel, Product } from './product.ts';

/** An admin has a link made, opens it, and consents. @throws Error where that connects no account */
export async function connectAccount(
  product: Product,
  { id }: Pick<FaultChannel, 'id'>,
): Promise<void> {
  const link = await product.call('POST', `/v1/channels/${id}/connect`);
  const begun = await fetch(link['authorize_url'] as string, { redirect: 'manual' });
  const consentUrl = begun.headers.get('location')!;
  const redirectUri = new URL(consentUrl).searchParams.get('redirect_uri')!;
  const back = await consentAsBrowser(consentUrl, redirectUri);
  const [cookie] = begun.headers.getSetCookie();
  const ended = await fetch(back, { headers: { cookie: cookie!.split(';')[0]! } });
  const said = await ended.text();
  if (ended.status !== 200 || !said.includes('connected'))
    throw new Error(`No account was connected: ${ended.status} ${said}`);
}
