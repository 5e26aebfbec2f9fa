import type { RequestHandler } from 'express';
import { stageSource } from '../../db/queries/sources.ts';
import { sourcesAccepted } from '../../telemetry/metrics.ts';
import { storeBody } from '../body-stream.ts';
import { RAW_MAIL } from '../channels/provider.ts';
import type { ApiDeps } from '../deps.ts';
import { idempotencyKey } from '../middleware/idempotency.ts';
import { Problem } from '../problem.ts';
import { doorChannel, refused, refuseStopped, tokenMatches } from './channel.ts';

/**
 * `POST /ingress/mime/{channel_id}`: a raw RFC 5322 mail, stored as it streams in and not looked into here.
 * 202 {source_id} once it is stored; the same Idempotency-Key gets the first receipt's id again.
 */
export function rawMailDoor(deps: ApiDeps): RequestHandler<{ channelId: string }> {
  return async (req, res) => {
    res.locals.route = '/ingress/mime/{channel_id}';
    const channel = await doorChannel(deps, RAW_MAIL, req.params.channelId);
    const token = /^Bearer +(\S+) *$/i.exec(req.get('authorization') ?? '')?.[1];
    if (token === undefined || !tokenMatches(channel, token))
      throw refused(RAW_MAIL, unauthorized());
    refuseStopped(channel);
    const { id, tenantId } = channel.facts;
    const key = idempotencyKey(req.get('idempotency-key'));
    const source = await storeBody(deps, tenantId, req, deps.config.smtp.maxBytes);
    if (source.size === 0)
      throw new Problem(400, 'body_missing', 'The body is empty; send the mail in it.');
    const { sourceId, pending } = await stageSource(
      deps.db,
      { id, tenantId, provider: RAW_MAIL },
      { source, providerMessageId: key === null ? null : `key:${key}`, receivedAt: new Date() },
    );
    sourcesAccepted.inc({ provider: RAW_MAIL });
    await deps.relay.flush(pending);
    res.status(202).json({ source_id: sourceId });
  };
}

function unauthorized(): Problem {
  return new Problem(
    401,
    'unauthorized',
    'Send the ingress_token that the channel was made with: `Authorization: Bearer prt_…`.',
    { headers: { 'WWW-Authenticate': 'Bearer realm="ingress"' } },
  );
}
