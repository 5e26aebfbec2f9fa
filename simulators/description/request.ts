import busboy from 'busboy';
import type { DescribedRequest } from '../server.ts';

export interface RequestParts {
  readonly query: Record<string, unknown>;
  readonly path: Record<string, unknown>;
  readonly header: Record<string, unknown>;
  readonly body: unknown;
}

/** The media type without its parameters, in lower case; empty where none was given. */
export const mediaType = ({ headers }: DescribedRequest): string =>
  (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();

export const queryOf = ({ query }: DescribedRequest): Record<string, string | string[]> =>
  collected([...query]);

/**
 * The body as its type says: JSON parsed, form fields as an object (a file is its bytes as a string), else the Buffer.
 * @throws SyntaxError where it isn't the JSON it says; Error where it isn't the form
 */
export async function bodyOf(request: DescribedRequest): Promise<unknown> {
  const type = mediaType(request);
  if (isJson(type)) return JSON.parse(request.body.toString()) as unknown;
  if (type === 'application/x-www-form-urlencoded')
    return collected([...new URLSearchParams(request.body.toString())]);
  if (type === 'multipart/form-data') return collected(await formFields(request));
  return request.body;
}

export const isJson = (type: string): boolean => /^application\/([\w.-]+\+)?json$/.test(type);

/** Names once or more, in order; a name that came several times holds a list. */
function collected(
  pairs: readonly (readonly [string, string])[],
): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = {};
  for (const [name, value] of pairs) {
    const before = fields[name];
    fields[name] = before === undefined ? value : [before, value].flat();
  }
  return fields;
}

function formFields({ headers, body }: DescribedRequest): Promise<[string, string][]> {
  return new Promise((resolve, reject) => {
    const fields: [string, string][] = [];
    const form = busboy({ headers, limits: { fieldSize: Infinity } });
    form.on('field', (name, value) => fields.push([name, value]));
    form.on('file', (name, stream) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => fields.push([name, Buffer.concat(chunks).toString('latin1')]));
    });
    form.on('error', reject);
    form.on('close', () => resolve(fields));
    form.end(body);
  });
}
