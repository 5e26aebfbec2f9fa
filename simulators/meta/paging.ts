import type { Request } from 'express';

/** Only the fields that `?fields=` asks for, always with the id; `usual` where it asks for none. */
export function picked(
  request: Request,
  whole: Readonly<Record<string, unknown>> | object,
  usual?: readonly string[],
): object {
  const asked = request.query['fields'];
  const names = typeof asked === 'string' ? ['id', ...asked.split(',')] : usual;
  if (!names) return whole;
  return Object.fromEntries(Object.entries(whole).filter(([name]) => names.includes(name)));
}

/** https://developers.facebook.com/docs/graph-api/results */
export function paged(request: Request, baseUrl: string, all: readonly object[]): object {
  const limit = Number(request.query['limit'] ?? 25);
  const after = request.query['after'];
  const from = typeof after === 'string' ? Number(Buffer.from(after, 'base64url').toString()) : 0;
  const data = all.slice(from, from + limit);
  const cursor = (at: number) => Buffer.from(String(at)).toString('base64url');
  const next = new URL(request.originalUrl, baseUrl);
  next.searchParams.set('limit', String(limit));
  next.searchParams.set('after', cursor(from + limit));
  return {
    data,
    paging: {
      cursors: { before: cursor(from), after: cursor(from + data.length) },
      ...(from + limit < all.length && { next: next.href }),
    },
  };
}
