import { describedBy } from '../description.ts';
import type { DescribedRequest, RequestDescription } from '../server.ts';
import { batchOf, describedPart } from './batch.ts';

const isText = ({ headers }: DescribedRequest) => headers['content-type'] === 'text/plain';
const LEARN = 'https://learn.microsoft.com';

/** Microsoft's own metadata, and what Microsoft documents beside it; each part of a batch as a request of its own. */
export function graphDescription(): RequestDescription | null {
  const described = requests();
  return (
    described && {
      source: described.source,
      problem: (request) =>
        isBatch(request) ? batchProblem(described, request) : described.problem(request),
    }
  );
}

const isBatch = ({ method, path }: DescribedRequest) =>
  method === 'POST' && path === '/v1.0/$batch';

/** Not in the metadata: https://learn.microsoft.com/graph/json-batching. */
async function batchProblem(
  described: RequestDescription,
  { body }: DescribedRequest,
): Promise<string | null> {
  const parts = batchOf(body);
  if (typeof parts === 'string') return parts;
  for (const part of parts) {
    const reason = await described.problem(describedPart(part));
    if (reason !== null) return `In a batch: ${reason}`;
  }
  return null;
}

function requests(): RequestDescription | null {
  return describedBy(['msgraph-v1.0.json'], {
    // OData's own, and the delta query's one (https://learn.microsoft.com/graph/api/message-delta).
    everywhere:
      /^(\$(select|filter|orderby|top|skip|count|expand|skiptoken|deltatoken)|changeType)$/,
    besides: [
      {
        match: /^POST \/v1\.0\/(me|users\/[^/]+)\/messages$/,
        when: isText,
        source: `${LEARN}/graph/outlook-send-mime-message`,
      },
      { match: /^(GET|PUT) \/upload\//, source: `${LEARN}/graph/outlook-large-attachments` },
      {
        match: /^GET \/v1\.0\/(me|users\/[^/]+)\/mailFolders\/[^/]+\/childFolders$/,
        source: `${LEARN}/graph/api/mailfolder-list-childfolders`,
      },
      { match: /^GET \/v1\.0\/(me|users)$/, source: `${LEARN}/graph/api/user-list` },
      {
        match: /^DELETE \/v1\.0\/chats\/[^/]+\/members\/[^/]+$/,
        source: `${LEARN}/graph/api/chat-delete-members`,
      },
    ],
  });
}
