import type { Router } from 'express';
import { z } from 'zod';
import type { FaultKind, Simulator } from './contract.ts';

const KINDS = [
  'too_many',
  'unavailable',
  'server_error',
  'lost_answer',
  'reset',
  'hang',
  'token_expired',
  'token_revoked',
] as const satisfies readonly FaultKind[];

const pattern = z.string().transform((source, context) => {
  try {
    return new RegExp(source);
  } catch {
    context.addIssue('is not a regular expression');
    return z.NEVER;
  }
});

const faultRequest = z.union([
  z.strictObject({
    kind: z.enum(KINDS),
    match: pattern.optional(),
    count: z.int().min(1).default(1),
    retry_after_seconds: z.number().min(0).optional(),
  }),
  z.strictObject({
    rate: z.number().min(0).max(1),
    kinds: z
      .array(z.enum(KINDS))
      .min(1)
      .default([...KINDS]),
    seed: z.int().default(1),
  }),
]);

/**
 * How a person steers a simulator: `GET /_control`, `GET /_control/requests`, `GET /_control/violations`,
 * `POST /_control/faults` ({kind, match?, count?, retry_after_seconds?} or {rate, kinds?, seed?}) and
 * `DELETE /_control/faults`.
 */
export function controlRoutes(
  control: Router,
  simulator: Simulator,
  heldAgainst: string | null,
): void {
  control.get('/', (_request, response) => {
    response.json({
      name: simulator.name,
      url: simulator.url,
      held_against: heldAgainst ?? 'nothing: the vendor’s description is missing here',
      requests: simulator.requests.length,
      violations: simulator.violations.length,
    });
  });
  control.get('/requests', (_request, response) => void response.json(simulator.requests));
  control.get('/violations', (_request, response) => void response.json(simulator.violations));
  control.post('/faults', (request, response) => {
    const wanted = faultRequest.safeParse(request.body);
    if (!wanted.success) {
      response.status(400).json({ error: z.prettifyError(wanted.error) });
      return;
    }
    plan(simulator, wanted.data);
    response.status(204).end();
  });
  control.delete('/faults', (_request, response) => {
    simulator.faults.clear();
    response.status(204).end();
  });
  control.use((request, response) => {
    response.status(404).json({ error: `There is no control ${request.method} ${request.path}.` });
  });
}

function plan({ faults }: Simulator, wanted: z.infer<typeof faultRequest>): void {
  if ('rate' in wanted) return faults.failSome(wanted.rate, wanted.kinds, wanted.seed);
  faults.failNext(
    {
      kind: wanted.kind,
      match: wanted.match,
      retryAfterSeconds: wanted.retry_after_seconds,
    },
    wanted.count,
  );
}
