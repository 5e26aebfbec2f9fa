/**
 * What a browser does with a consent page whose account is hinted at: follows redirects with cookies, up to the
 * address that `redirectUri` begins. @returns that address with its code or error; nobody has called it yet
 */
export async function consentAsBrowser(
  authorizationUrl: string,
  redirectUri: string,
): Promise<URL> {
  const cookies = new Map<string, string>();
  let url = new URL(authorizationUrl);
  for (let step = 0; step < 10; step += 1) {
    const answer = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (name !== undefined && value !== undefined) cookies.set(name, value);
    }
    const location = answer.headers.get('location');
    if (location === null)
      throw new Error(
        `The consent ended at ${url.pathname} with ${answer.status}: ${await answer.text()}`,
      );
    url = new URL(location, url);
    if (url.href.startsWith(redirectUri)) return url;
  }
  throw new Error('The consent went round in circles.');
}
