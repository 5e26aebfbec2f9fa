import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { OpenApiDocument } from './description/document.ts';
import { bodyOf, queryOf, type RequestParts } from './description/request.ts';
import { templatePattern } from './description/template.ts';
import type { DescribedRequest, RequestDescription } from './server.ts';

export interface DescriptionOptions {
  /** Where the vendors' descriptions lie; default `../shared/specs` beside the repository. */
  readonly folder?: string;
  /** Query parameters that the vendor takes with every request, and lists at none: OData's `$select`. */
  readonly everywhere?: RegExp;
  /** What the vendor documents elsewhere than in the description; each with the page that says so. */
  readonly besides?: readonly Besides[];
  /** Puts right, in each document as it is read, where it contradicts itself. */
  readonly mend?: (document: unknown) => void;
}

export interface Besides {
  /** `POST /me/messages`, of the path as asked; all its requests are let through that `when` doesn't narrow. */
  readonly match: RegExp;
  readonly when?: (request: DescribedRequest) => boolean;
  /** The vendor's page. */
  readonly source: string;
}

const BESIDE_THE_REPOSITORY = join(import.meta.dirname, '../../shared/specs');

/**
 * The vendor's own description, of one or several OpenAPI 3 or Swagger 2 documents; operations are compiled when they
 * are first asked for. Null, with a word on standard error, where a document is not there.
 */
export function describedBy(
  files: readonly string[],
  { folder = BESIDE_THE_REPOSITORY, everywhere, besides = [], mend }: DescriptionOptions = {},
): RequestDescription | null {
  const missing = files.find((file) => !existsSync(join(folder, file)));
  if (missing !== undefined) {
    console.warn(`${missing} is not in ${folder}: requests are not held against a description.`);
    return null;
  }
  const documents = files.map((file) => new OpenApiDocument(join(folder, file), everywhere, mend));
  return {
    source: files.join(', '),
    async problem(request) {
      const asked = `${request.method} ${request.path}`;
      const elsewhere = besides.find(
        ({ match, when }) => asked.search(match) >= 0 && (when?.(request) ?? true),
      );
      if (elsewhere) return null;
      for (const document of documents) {
        const operation = document.operation(request.method, request.path);
        if (operation) return operation.problem(request);
      }
      return `${asked} is no operation of ${files.join(' or ')}.`;
    },
  };
}

/** Schemas written from a vendor's documentation, by "METHOD /path/{id}"; a part without a schema must be empty. */
export type WrittenDescription = Readonly<
  Record<
    string,
    { readonly query?: z.ZodType; readonly headers?: z.ZodType; readonly body?: z.ZodType }
  >
>;

/**
 * For a vendor without a description of its own. `source` names the vendor's pages that the schemas were written
 * from. The query is given to its schema as an object of strings, header names in lower case, a body parsed by its
 * type (JSON, form, else a Buffer).
 */
export function describedByHand(
  source: string,
  operations: WrittenDescription,
): RequestDescription {
  const known = Object.entries(operations).map(([operation, schemas]) => {
    const [method, template] = operation.split(' ') as [string, string]; // "METHOD /path"
    return { method, pattern: templatePattern(template), schemas };
  });
  return {
    source,
    async problem(request) {
      const operation = known.find(
        ({ method, pattern }) => method === request.method && pattern.test(request.path),
      );
      if (!operation) return `${request.method} ${request.path} is no operation of ${source}.`;
      const { query, headers, body } = operation.schemas;
      const asked = queryOf(request);
      if (!query && Object.keys(asked).length > 0)
        return `The query parameter ${Object.keys(asked)[0]} is unknown.`;
      if (!body && request.body.length > 0) return 'This operation takes no body.';
      return (
        refusal('query', query, asked) ??
        refusal('headers', headers, request.headers) ??
        (body ? refusal('body', body, await bodyOf(request)) : null)
      );
    },
  };
}

function refusal(
  part: keyof RequestParts | 'headers',
  schema: z.ZodType | undefined,
  value: unknown,
) {
  const parsed = schema?.safeParse(value);
  if (!parsed || parsed.success) return null;
  const reasons = parsed.error.issues.map(
    ({ path, message }) => `${[part, ...path].join('/')}: ${message}`,
  );
  return `${reasons.slice(0, 3).join('; ')}.`;
}
