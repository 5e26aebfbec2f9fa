import type { Request, Response, Router } from 'express';
import { z } from 'zod';
import type { CustomerFile } from './customers.ts';
import { tellQuality } from './reviews.ts';
import type { MetaSimulator } from './simulator.ts';
import type { SimNumber, SimPage } from './world.ts';

const file = z.strictObject({
  kind: z.enum(['image', 'video', 'audio', 'document', 'sticker']),
  /** Base64. */
  content: z.base64(),
  content_type: z.string(),
  filename: z.string().optional(),
  caption: z.string().optional(),
});
const words = z.strictObject({
  /** Id of a number or page; the only one there is when left out. */
  to: z.string().optional(),
  /** Digits or a page-scoped id. */
  from: z.string().regex(/^\+?\d+$/),
  name: z.string().optional(),
  text: z.string().optional(),
  file: file.optional(),
  quotes: z.string().optional(),
  raw: z.record(z.string(), z.unknown()).optional(),
  field: z.string().default('messages'),
});
const clock = z.strictObject({
  advance_seconds: z.number().min(0).optional(),
  window_seconds: z.number().positive().optional(),
  media_link_seconds: z.number().positive().optional(),
});
const behaviour = z.strictObject({
  duplicates: z.number().min(0).max(1).optional(),
  disorder: z.boolean().optional(),
  gather_ms: z.int().min(0).optional(),
  sent_ms: z.int().min(0).nullable().optional(),
  delivered_ms: z.int().min(0).nullable().optional(),
  read_ms: z.int().min(0).nullable().optional(),
});
const refusal = z.strictObject({
  of: z.string().optional(),
  code: z.int(),
  subcode: z.int().optional(),
  message: z.string().optional(),
  as: z.enum(['answer', 'status']).default('answer'),
});
const report = z.strictObject({
  id: z.string(),
  kind: z.enum(['sent', 'delivered', 'read', 'failed']),
});
const token = z.strictObject({
  of: z.string().optional(),
  state: z.enum(['good', 'expired', 'revoked']),
});
const review = z.strictObject({
  of: z.string().optional(),
  name: z.string(),
  language: z.string().default('en_US'),
  status: z.enum(['APPROVED', 'PENDING', 'REJECTED', 'PAUSED', 'DISABLED']),
  reason: z.string().optional(),
});
const number = z.strictObject({
  of: z.string().optional(),
  quality_rating: z.enum(['GREEN', 'YELLOW', 'RED', 'UNKNOWN']).optional(),
  status: z.string().optional(),
  name_status: z.string().optional(),
  messaging_limit: z
    .string()
    .regex(/^TIER_/)
    .optional(),
  throughput: z.enum(['STANDARD', 'HIGH', 'NOT_APPLICABLE']).optional(),
  on_business_app: z.boolean().optional(),
  per_second: z.int().positive().nullable().optional(),
  pair: z
    .strictObject({ every_ms: z.int().positive(), burst: z.int().positive() })
    .nullable()
    .optional(),
});
const door = z.strictObject({ url: z.url() });

/**
 * Under `/_control`: `POST /connect` {url} · `POST /messages` {from, text?, file?, quotes?, name?, to?, raw?} ·
 * `GET /sent` · `POST /reports` {id, kind} · `POST /clock` {advance_seconds?, window_seconds?, media_link_seconds?} ·
 * `POST /behaviour` {duplicates?, disorder?, gather_ms?, sent_ms?, delivered_ms?, read_ms?} ·
 * `POST /refusals` {code, subcode?, message?, as?} · `POST /tokens` {state} · `GET /calls` ·
 * `POST /templates` {name, language?, status, reason?} ·
 * `POST /number` {quality_rating?, status?, name_status?, messaging_limit?, throughput?, on_business_app?, per_second?, pair?}
 */
export function metaControls(control: Router, meta: () => MetaSimulator): void {
  control.post('/connect', async (request, response) => {
    const given = asked(door, request, response);
    if (!given) return;
    try {
      await meta().connect(given.url);
      response.status(204).end();
    } catch (error) {
      response.status(409).json({ error: error instanceof Error ? error.message : String(error) });
    }
  });
  control.post('/messages', async (request, response) => {
    const given = asked(words, request, response);
    if (!given) return;
    const line = lineOf(meta(), given.to, response);
    if (!line) return;
    const id = write(meta(), line, given);
    await meta().settled();
    response.status(201).json({ id });
  });
  control.get('/sent', (_request, response) => {
    response.json(lines(meta()).flatMap(({ sent, id }) => sent.map((one) => ({ ...one, of: id }))));
  });
  control.post('/reports', async (request, response) => {
    const given = asked(report, request, response);
    if (!given) return;
    for (const line of lines(meta())) {
      const sent = line.sent.find(({ id }) => id === given.id);
      if (!sent) continue;
      meta().reports.report(line, sent, given.kind);
      await meta().settled();
      return void response.status(204).end();
    }
    response.status(404).json({ error: `Nothing with the id ${given.id} was sent.` });
  });
  control.post('/clock', (request, response) => {
    const given = asked(clock, request, response);
    if (!given) return;
    const { world } = meta();
    world.advance((given.advance_seconds ?? 0) * 1000);
    if (given.window_seconds !== undefined) world.windowMs = given.window_seconds * 1000;
    if (given.media_link_seconds !== undefined)
      world.media.linkMs = given.media_link_seconds * 1000;
    response.json({ now: new Date(world.now()).toISOString() });
  });
  control.post('/behaviour', (request, response) => {
    const given = asked(behaviour, request, response);
    if (!given) return;
    const { hooks, reports } = meta();
    Object.assign(hooks.behaviour, known({ duplicates: given.duplicates, disorder: given.disorder, gatherMs: given.gather_ms })); // prettier-ignore
    Object.assign(reports.plan, known({ sentMs: given.sent_ms, deliveredMs: given.delivered_ms, readMs: given.read_ms })); // prettier-ignore
    response.json({ ...hooks.behaviour, ...reports.plan });
  });
  control.post('/refusals', (request, response) => {
    const given = asked(refusal, request, response);
    const line = given && lineOf(meta(), given.of, response);
    if (!given || !line) return;
    const { code, subcode, message, as } = given;
    meta().refuseNext(line, known({ code, subcode, message }), as);
    response.status(204).end();
  });
  control.post('/tokens', (request, response) => {
    const given = asked(token, request, response);
    const line = given && lineOf(meta(), given.of, response);
    if (!given || !line) return;
    line.token.state = given.state;
    response.status(204).end();
  });
  control.post('/templates', async (request, response) => {
    const given = asked(review, request, response);
    const line = given && lineOf(meta(), given.of, response);
    if (!given || !line) return;
    const { of: _of, ...said } = given;
    if (line.kind !== 'number' || !meta().review(line, known(said)))
      return void response.status(404).json({ error: `There is no template ${given.name} in ${given.language}.` }); // prettier-ignore
    await meta().settled();
    response.status(204).end();
  });
  control.post('/number', (request, response) => {
    const given = asked(number, request, response);
    const line = given && lineOf(meta(), given.of, response);
    if (!given || !line) return;
    if (line.kind !== 'number')
      return void response.status(404).json({ error: `${line.id} is no number.` });
    const { quality_rating: qualityRating, messaging_limit: tier, pair, ...more } = given;
    const { status, throughput, name_status: nameStatus, per_second: perSecond } = more;
    const paced = pair && { everyMs: pair.every_ms, burst: pair.burst };
    Object.assign(line, known({ qualityRating, status, throughput, tier, nameStatus, perSecond, pair: paced, onBusinessApp: more.on_business_app })); // prettier-ignore
    if (given.quality_rating !== undefined || tier !== undefined) tellQuality(meta().reports, line);
    response.status(204).end();
  });
  control.get('/calls', (_request, response) => {
    response.json(
      meta().hooks.calls.map(({ body, ...call }) => ({ ...call, body: body.toString() })),
    );
  });
}

function write(
  meta: MetaSimulator,
  line: SimNumber | SimPage,
  { from, name, text, quotes, raw, field, ...given }: z.infer<typeof words>,
): string {
  const sent: CustomerFile | null = given.file
    ? {
        kind: given.file.kind,
        bytes: Buffer.from(given.file.content, 'base64'),
        contentType: given.file.content_type,
        ...known({ filename: given.file.filename, caption: given.file.caption }),
      }
    : null;
  const said = known({ quotes });
  if (line.kind === 'number') {
    const who = { phone: from, ...known({ name }) };
    if (raw) return meta.writes(line, who, { raw, ...said });
    return meta.writes(line, who, sent ? { file: sent, ...said } : { text: text ?? '', ...said });
  }
  const who = { psid: from, ...known({ name }) };
  if (raw) return meta.says(line, who, { raw, field, ...said });
  if (sent) return meta.says(line, who, { files: [sent], ...known({ text }), ...said });
  return meta.says(line, who, { text: text ?? '', ...said });
}

const lines = ({ world }: MetaSimulator): (SimNumber | SimPage)[] => [
  ...world.numbers.values(),
  ...world.pages.values(),
];

function lineOf(meta: MetaSimulator, id: string | undefined, response: Response) {
  const all = lines(meta);
  const found = id === undefined ? all[0] : all.find((line) => line.id === id);
  if (!found) response.status(404).json({ error: `There is no number or page ${id}.` });
  return found ?? null;
}

function asked<T>(schema: z.ZodType<T>, request: Request, response: Response): T | null {
  const parsed = schema.safeParse(request.body);
  if (parsed.success) return parsed.data;
  response.status(400).json({ error: z.prettifyError(parsed.error) });
  return null;
}

/** Without what was left out. */
function known<T extends object>(given: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> }; // only undefined was taken away
}
