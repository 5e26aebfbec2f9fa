import { z } from 'zod';
import { listEvents } from '../../db/queries/events.ts';
import { DomainEvent, EventType } from '../../domain/events.ts';
import { listOf, pageOf, pageQuery, readCursor, writeCursor } from '../page.ts';
import { route, type AnyRoute } from '../route.ts';

const Place = z.object({
  xid: z.string().regex(/^\d{1,20}$/),
  position: z.int().min(0),
});

export const eventRoutes: readonly AnyRoute[] = [
  route({
    method: 'get',
    path: '/v1/events',
    summary: 'Every event, in order',
    description:
      'Go on with `next_cursor`, which skips nothing: an event is shown once all older transactions have ended. With `follow=true` there is a cursor even behind the last event, to ask again with later.',
    tags: ['Events'],
    scope: 'events:read',
    query: z.object({
      ...pageQuery,
      types: listOf(EventType).optional(),
      follow: z.enum(['true', 'false']).default('false'),
    }),
    response: pageOf(DomainEvent),
    handler: async ({ deps, tenantId, query }) => {
      const after = readCursor(query.cursor, Place);
      const { data, last, more } = await listEvents(deps.db, tenantId, {
        after,
        limit: query.limit,
        types: query.types,
      });
      const place = last ?? after;
      const goesOn = more || query.follow === 'true';
      return { data, next_cursor: goesOn && place ? writeCursor(place) : null };
    },
  }),
];
