import { randomUUID } from 'node:crypto';
import type { GmailCall } from './call.ts';
import type { Ask, gmail_v1 } from './client.ts';
import { UNITS } from './quota.ts';
import { fetchFor } from './transport.ts';

const BATCH_URL = 'https://gmail.googleapis.com/batch/gmail/v1';

/**
 * Several mails in one request (https://developers.google.com/workspace/gmail/api/guides/batch); each counts towards
 * the quota by itself. Those that Gmail did not give, for whatever reason, are left out.
 * @param mostBytes of the answer. @throws ProviderFailure, AnswerTooLarge
 */
export async function getBatch(
  call: GmailCall,
  ask: Ask,
  ids: readonly string[],
  query: Readonly<Record<string, string>>,
  mostBytes: number,
): Promise<ReadonlyMap<string, gmail_v1.Schema$Message>> {
  const boundary = `batch_${randomUUID()}`;
  const asked = new URLSearchParams(query).toString();
  const parts = ids.map((id) =>
    [
      `--${boundary}`,
      'Content-Type: application/http',
      `Content-ID: <${id}>`,
      '',
      `GET /gmail/v1/users/me/messages/${encodeURIComponent(id)}?${asked}`,
      '',
      '',
    ].join('\r\n'),
  );
  const answer = await ask(
    UNITS.get * ids.length,
    async (_api, { headers }) => {
      const response = await fetchFor(call, mostBytes)(BATCH_URL, {
        method: 'POST',
        headers: { ...headers, 'content-type': `multipart/mixed; boundary=${boundary}` },
        body: `${parts.join('')}--${boundary}--`,
      });
      const text = await response.text();
      return {
        status: response.status,
        data: response.ok ? partsOf(text, response.headers.get('content-type')) : errorOf(text),
        headers: Object.fromEntries(response.headers),
      };
    },
    'free',
  );
  return answer instanceof Map ? (answer as Map<string, gmail_v1.Schema$Message>) : new Map(); // `partsOf` made it
}

/** Of a multipart answer the mails, by their ids, in whatever order they came. */
function partsOf(text: string, contentType: string | null): Map<string, gmail_v1.Schema$Message> {
  const boundary = /boundary="?([^";]+)/.exec(contentType ?? '')?.[1];
  const found = new Map<string, gmail_v1.Schema$Message>();
  if (boundary === undefined) return found;
  for (const part of text.split(`--${boundary}`).slice(1, -1)) {
    const isOk = /^HTTP\/\S+ 200\b/m.test(part.slice(0, 2000));
    const start = part.indexOf('{');
    if (!isOk || start < 0) continue;
    const message = jsonOf(part.slice(start)) as gmail_v1.Schema$Message | null; // Gmail's own, by its description
    if (message?.id != null) found.set(message.id, message);
  }
  return found;
}

function errorOf(text: string): unknown {
  return jsonOf(text) ?? text;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // a cut part: its mail is asked for by itself
  }
}
