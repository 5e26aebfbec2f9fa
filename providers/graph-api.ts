import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { ProviderFailure } from '../domain/failure.ts';
import { jsonOrUndefined } from './cloud-mail.ts';
import { serverWords } from './connect.ts';
import type { ProviderCall } from './contract.ts';
import type { KnownError, Told } from './graph-errors.ts';
import {
  ask,
  refusalFailure,
  type Vendor,
  type VendorAnswer,
  type VendorRequest,
} from './vendor-http.ts';

// Requests to a Graph API and its refusals, whichever product of the vendor's is behind it
// (https://developers.facebook.com/docs/graph-api).

export interface GraphAccess {
  /** Without a version; default `https://graph.facebook.com`. */
  readonly base: string | undefined;
  readonly token: string;
  readonly appSecret: string;
}

export interface GraphRequest {
  readonly query?: Readonly<Record<string, string>>;
  readonly json?: object;
  readonly form?: FormData;
}

const HOST = 'https://graph.facebook.com';
const VERSION = 'v25.0';

/**
 * A request with the proof that whoever has the token has the app's secret, too
 * (https://developers.facebook.com/docs/graph-api/guides/secure-requests).
 */
export async function graphRequest(
  { base = HOST, token, appSecret }: GraphAccess,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  { query = {}, json, form }: GraphRequest = {},
): Promise<VendorRequest> {
  const proof = createHmac('sha256', appSecret).update(token).digest('hex');
  const search = new URLSearchParams({ ...query, appsecret_proof: proof });
  const encoded = form && new Response(form);
  const type = encoded ? encoded.headers.get('content-type')! : json && 'application/json';
  return {
    method,
    url: `${base.replace(/\/+$/, '')}/${VERSION}${path}?${search.toString()}`,
    headers: {
      authorization: `Bearer ${token}`,
      accept: 'application/json',
      ...(type && { 'content-type': type }),
    },
    ...(encoded && { body: new Uint8Array(await encoded.arrayBuffer()) }),
    ...(json && { body: JSON.stringify(json) }),
  };
}

type Call = Pick<ProviderCall<unknown>, 'network' | 'signal' | 'timeoutMs' | 'limits'>;
type Known = (told: Told) => KnownError | undefined;

/** How one of Meta's products is asked; `known` tells what its codes mean. */
export function graphClient(vendor: Vendor, known: Known) {
  return {
    /** Asks for something that may be asked again. @throws ProviderFailure where the vendor refuses */
    asked: <T>(call: Call, request: VendorRequest, schema: z.ZodType<T>): Promise<T> =>
      asked(call, vendor, request, schema, known),
    /** A refusal, classified; the other workers keep off as long as this one is told to wait. */
    failure: (call: Call, answer: VendorAnswer): Promise<ProviderFailure> =>
      graphFailure(call, vendor, answer, known),
  };
}

async function asked<T>(
  call: Call,
  vendor: Vendor,
  request: VendorRequest,
  schema: z.ZodType<T>,
  known: Known,
): Promise<T> {
  const answer = await ask(call, vendor, request);
  if (answer.status >= 300) throw await graphFailure(call, vendor, answer, known);
  const parsed = schema.safeParse(jsonOrUndefined(answer.body.toString()));
  if (parsed.success) return parsed.data;
  throw new ProviderFailure({
    code: `${vendor.code}.answer_unreadable`,
    class: 'retry',
    message: `${vendor.title}’s answer can’t be read: is "base_url" right?`,
  });
}

async function graphFailure(
  call: Call,
  vendor: Vendor,
  answer: VendorAnswer,
  known: Known,
): Promise<ProviderFailure> {
  const told = toldBy(answer);
  const meaning = known(told);
  if (!meaning) return refusalFailure(call, vendor, answer, { words: told.words });
  const isSaid = answer.headers.has('retry-after');
  const waitMs = regainedAfterMs(answer) ?? (isSaid ? undefined : meaning.waitMs);
  const limits = meaning.isOfOne ? { ...call.limits, pause: async () => {} } : call.limits;
  const failure = await refusalFailure({ ...call, limits }, vendor, answer, {
    words: told.words,
    class: meaning.class,
    code: meaning.code,
    ...(waitMs !== undefined && meaning.class === 'wait' && { retryAfterMs: waitMs }),
  });
  return inWords(failure, vendor, meaning, told);
}

function inWords(
  { code, class: kind, status, retryAfterMs, uncertain }: ProviderFailure,
  { title }: Vendor,
  meaning: KnownError,
  told: Told,
): ProviderFailure {
  const number = [told.code, told.subcode].filter((part) => part !== undefined).join('/');
  const theirs = serverWords(told.words);
  const message =
    theirs === ''
      ? `${meaning.words} (${number})`
      : `${meaning.words} ${title} says (${number}): "${theirs}".`;
  return new ProviderFailure({
    code,
    class: kind,
    message,
    ...(status !== undefined && { status }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...((uncertain ?? meaning.uncertain) && { uncertain: true }),
  });
}

const text = z.string().optional().catch(undefined);
const number = z.number().optional().catch(undefined);
const ErrorBody = z.looseObject({
  error: z.looseObject({
    message: text,
    code: number,
    error_subcode: number,
    error_data: z.looseObject({ details: text }).optional().catch(undefined),
  }),
});

/** https://developers.facebook.com/docs/graph-api/guides/error-handling */
function toldBy({ body }: VendorAnswer): Told {
  const parsed = ErrorBody.safeParse(jsonOrUndefined(body.toString()));
  if (!parsed.success) return { code: undefined, subcode: undefined, words: '' };
  const { message = '', code, error_subcode: subcode, error_data: more } = parsed.data.error;
  return { code, subcode, words: more?.details ?? message };
}

const Usage = z.record(
  z.string(),
  z.array(z.looseObject({ estimated_time_to_regain_access: z.number().catch(0) })),
);

/** Told in minutes (https://developers.facebook.com/docs/graph-api/overview/rate-limiting). */
function regainedAfterMs({ headers }: VendorAnswer): number | undefined {
  const usage = Usage.safeParse(jsonOrUndefined(headers.get('x-business-use-case-usage') ?? ''));
  if (!usage.success) return undefined;
  const minutes = Object.values(usage.data)
    .flat()
    .map((limit) => limit.estimated_time_to_regain_access);
  const longest = Math.max(0, ...minutes);
  return longest > 0 ? longest * 60_000 : undefined;
}
