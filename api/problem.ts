import { STATUS_CODES } from 'node:http';
import type { Response } from 'express';
import { z } from 'zod';

/** A problem document (RFC 9457). */
export const ProblemDocument = z
  .object({
    type: z.string().meta({
      description: 'Stable name of the kind of problem.',
      examples: ['urn:postroom:problem:not_found'],
    }),
    title: z.string(),
    status: z.int(),
    detail: z.string().meta({ description: 'What is wrong, where, and how to mend it.' }),
    instance: z.string().meta({ description: 'The request id, as in X-Request-Id.' }),
    errors: z
      .array(
        z.object({
          pointer: z.string().meta({
            description: 'JSON pointer into the body, or /query/… and /headers/….',
            examples: ['/settings/host'],
          }),
          message: z.string(),
        }),
      )
      .optional(),
  })
  .meta({ id: 'Problem' });

export interface FieldError {
  /** JSON pointer into the body (`/settings/host`), or `/query/limit`, `/headers/if-match`. */
  readonly pointer: string;
  readonly message: string;
}

export interface ProblemExtras {
  readonly errors?: readonly FieldError[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** Thrown by a handler to answer with a problem document. `detail` says what, where and how to mend it. */
export class Problem extends Error {
  override name = 'Problem';
  readonly status: number;
  readonly code: string;
  readonly errors?: readonly FieldError[];
  readonly headers: Readonly<Record<string, string>>;

  /** @param code stable, machine-readable: `not_found`, `address_taken`. */
  constructor(status: number, code: string, detail: string, extras: ProblemExtras = {}) {
    super(detail);
    this.status = status;
    this.code = code;
    this.errors = extras.errors;
    this.headers = extras.headers ?? {};
  }
}

/** 404: "There is no channel chn_1." */
export function notFound(what: string, id: string): Problem {
  return new Problem(404, 'not_found', `There is no ${what} "${id}".`);
}

/** 409 */
export function conflict(code: string, detail: string): Problem {
  return new Problem(409, code, detail);
}

/** 422, with the fields to mend. */
export function invalid(detail: string, errors: readonly FieldError[]): Problem {
  return new Problem(422, 'invalid', detail, { errors });
}

/** 503: try again in `seconds`. */
export function unavailable(code: string, detail: string, seconds = 5): Problem {
  return new Problem(503, code, detail, { headers: { 'Retry-After': String(seconds) } });
}

export function sendProblem(res: Response, problem: Problem, requestId: string): void {
  res
    .status(problem.status)
    .set({ ...problem.headers, 'Content-Type': 'application/problem+json' })
    .send(
      Buffer.from(
        JSON.stringify({
          type: `urn:postroom:problem:${problem.code}`,
          title: STATUS_CODES[problem.status] ?? 'Error',
          status: problem.status,
          detail: problem.message,
          instance: requestId,
          ...(problem.errors ? { errors: problem.errors } : {}),
        }),
      ),
    );
}
