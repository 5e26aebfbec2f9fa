import { createHmac } from 'node:crypto';
import type { Request, Response } from 'express';
import { graphError } from './errors.ts';
import type { SimLine, SimToken, World } from './world.ts';

/** The token a request carries; null, answered already, where it has none that is good. */
export function signedIn(world: World, request: Request, response: Response): SimToken | null {
  const asked = request.query['access_token'];
  const value =
    /^Bearer\s+(.+)$/i.exec(request.headers.authorization ?? '')?.[1] ??
    (typeof asked === 'string' ? asked : '');
  const token = world.tokens.get(value);
  if (value === '')
    graphError(response, {
      code: 2500,
      message: 'An active access token must be used to query information about the current user.',
    });
  else if (!token)
    graphError(response, {
      code: 190,
      message: 'Invalid OAuth access token - Cannot parse access token',
      subcode: 0,
    });
  else if (token.state === 'expired') graphError(response, { code: 190, subcode: 463 });
  else if (token.state === 'revoked')
    graphError(response, {
      code: 190,
      subcode: 460,
      message:
        'Error validating access token: The session has been invalidated because the user changed their password or Facebook has changed the session for security reasons.',
    });
  else if (proves(token, request, response)) return token;
  return null;
}

/** https://developers.facebook.com/docs/graph-api/guides/secure-requests#appsecret_proof */
function proves(token: SimToken, request: Request, response: Response): boolean {
  const given = request.query['appsecret_proof'];
  const right = createHmac('sha256', token.app.secret).update(token.value).digest('hex');
  if (given === undefined && !token.app.requiresProof) return true;
  if (given === right) return true;
  graphError(response, {
    code: 100,
    message:
      given === undefined
        ? 'API calls from the server require an appsecret_proof argument'
        : 'Invalid appsecret_proof provided in the API argument',
  });
  return false;
}

/** Whether the token was granted this; else it is answered as Meta words it. */
export function may(token: SimToken, permission: string, response: Response): boolean {
  if (token.permissions.has(permission)) return true;
  graphError(response, {
    code: permission === 'pages_messaging' ? 230 : permission.startsWith('pages_') ? 200 : 10,
    message: `Requires ${permission} permission to manage the object`,
  });
  return false;
}

/** A node that is not there, and one that the token must not see, are answered alike. */
export function noSuchNode(response: Response, method: string, id: string): void {
  graphError(response, {
    code: 100,
    subcode: 33,
    message: `Unsupported ${method.toLowerCase()} request. Object with ID '${id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation`,
  });
}

/** Whether fewer than so many were sent within the last second; counts this one where it is so. */
export function withinRate(line: SimLine, most: number | null = line.perSecond): boolean {
  const now = Date.now();
  while (line.sentAt.length > 0 && line.sentAt[0]! <= now - 1000) line.sentAt.shift();
  if (most !== null && line.sentAt.length >= most) return false;
  line.sentAt.push(now);
  return true;
}
