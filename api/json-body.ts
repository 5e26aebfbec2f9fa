import type { Request } from 'express';
import { Problem } from './problem.ts';

/**
 * The JSON of a body that `express.raw` has read.
 * @throws Problem 415 for another media type, 400 where it is missing, malformed or holds characters that no
 * text column can store.
 */
export function readJson(req: Request, optional: boolean): unknown {
  const bytes = Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0);
  if (bytes.length === 0) {
    if (optional) return {};
    throw new Problem(400, 'body_missing', 'This request wants a JSON body.');
  }
  const type = req.get('content-type');
  if (type !== undefined && !/^application\/(json|[\w.+-]+\+json)\s*(;|$)/i.test(type))
    throw new Problem(
      415,
      'unsupported_media_type',
      `The body is declared as "${type}"; send JSON with "Content-Type: application/json".`,
      { headers: { 'Accept-Post': 'application/json' } },
    );
  const text = bytes.toString('utf8');
  const value = parse(text);
  if (/\\u(0000|d[89a-f])/i.test(text)) refuseUnstorable(value, '');
  return value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const at = /at position (\d+)/.exec(String(error))?.[1];
    throw new Problem(
      400,
      'malformed_json',
      `The body is not JSON${at === undefined ? ': it ends too early or is malformed' : `: it breaks at character ${at}`}.`,
    );
  }
}

/** NUL and halves of surrogate pairs are legal JSON, but Postgres stores neither. */
function refuseUnstorable(value: unknown, pointer: string): void {
  if (typeof value === 'string') {
    if (!value.includes('\0') && value.isWellFormed()) return;
    throw new Problem(422, 'unstorable_text', 'A text holds a NUL or half a character.', {
      errors: [{ pointer: pointer || '/', message: 'take out \\u0000 and unpaired surrogates' }],
    });
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [name, inner] of Object.entries(value)) refuseUnstorable(inner, `${pointer}/${name}`);
}
