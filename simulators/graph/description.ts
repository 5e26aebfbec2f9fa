import { describedBy } from '../description.ts';
import type { DescribedRequest, RequestDescription } from '../server.ts';

const isText = ({ headers }: DescribedRequest) => headers['content-type'] === 'text/plain';
const LEARN = 'https://learn.microsoft.com';

/** Microsoft's own metadata, and what Microsoft documents beside it. */
export function graphDescription(): RequestDescription | null {
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
