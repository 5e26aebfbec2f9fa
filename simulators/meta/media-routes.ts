import type { Request, Response, Router } from 'express';
import type { World } from './world.ts';

/** Where WhatsApp's files lie, behind a token; and Messenger's, open to whoever has the link. */
export const SEALED = '/whatsapp_business/attachments/';
export const OPEN = '/cdn/attachments/';

/** Links to files, which end; without a version, and at Meta on another host. */
export function mediaRoutes(api: Router, world: World): void {
  api.get(SEALED, (request, response) => {
    const bearer = /^Bearer\s+(.+)$/i.exec(request.headers.authorization ?? '')?.[1];
    const token = world.tokens.get(bearer ?? '');
    if (token?.state !== 'good') {
      response
        .status(401)
        .json({ error: { message: 'Authentication Error', type: 'OAuthException', code: 190 } });
      return;
    }
    serve(request, response, 404);
  });
  api.get(OPEN, (request, response) => serve(request, response, 403));

  function serve(request: Request, response: Response, goneStatus: number): void {
    const media = world.media.at(request.query['hash']);
    if (media === undefined || media === 'ended') {
      response.status(media === 'ended' ? goneStatus : 404).type('text/plain');
      response.send(media === 'ended' ? 'URL signature expired' : 'Not found');
      return;
    }
    world.media.downloaded(media);
    response.set('Content-Length', String(media.bytes.length));
    response.type(media.contentType).send(media.bytes);
  }
}
