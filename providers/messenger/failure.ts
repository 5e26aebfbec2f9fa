import { z } from 'zod';
import { ProviderFailure } from '../../domain/failure.ts';
import { jsonOrUndefined } from '../cloud-mail.ts';
import { serverWords } from '../connect.ts';
import { ask, refusalFailure, type VendorAnswer, type VendorRequest } from '../vendor-http.ts';
import { messengerVendor, type MessengerCall } from './client.ts';
import { knownError, type KnownError } from './errors.ts';

const Told = z.looseObject({
  error: z.looseObject({
    message: z.string().catch(''),
    code: z.number().optional().catch(undefined),
    error_subcode: z.number().optional().catch(undefined),
  }),
});

/** Asks for something that may be asked again. @throws ProviderFailure where Facebook refuses */
export async function asked<T>(
  call: MessengerCall,
  request: VendorRequest,
  schema: z.ZodType<T>,
): Promise<T> {
  const answer = await ask(call, messengerVendor, request);
  if (answer.status >= 300) throw await messengerFailure(call, answer);
  const parsed = schema.safeParse(jsonOrUndefined(answer.body.toString()));
  if (parsed.success) return parsed.data;
  throw new ProviderFailure({
    code: 'messenger.answer_unreadable',
    class: 'retry',
    message: 'Facebook’s answer can’t be read: is "base_url" right?',
  });
}

/** A refusal of the Graph API's, classified. */
export async function messengerFailure(
  call: MessengerCall,
  answer: VendorAnswer,
): Promise<ProviderFailure> {
  const told = Told.safeParse(jsonOrUndefined(answer.body.toString()));
  const { message: words = '', code, error_subcode: subcode } = told.success ? told.data.error : {};
  const known = knownError(code, subcode, words);
  const untold = told.success ? {} : { words: '' };
  const retryAfterMs = regainedAfterMs(answer) ?? known?.waitMs;
  const failure = await refusalFailure(call, messengerVendor, answer, {
    words,
    ...untold,
    ...(known && { class: known.class, code: known.code }),
    ...(retryAfterMs !== undefined && known?.class === 'wait' && { retryAfterMs }),
  });
  return known ? inWords(failure, known, { words, code, subcode }) : failure;
}

function inWords(
  failure: ProviderFailure,
  { words: own, uncertain }: KnownError,
  said: { words: string; code?: number; subcode?: number },
): ProviderFailure {
  const number = [said.code, said.subcode].filter((part) => part !== undefined).join('/');
  const theirs = serverWords(said.words);
  return new ProviderFailure({
    code: failure.code,
    class: failure.class,
    message:
      theirs === '' ? `${own} (${number})` : `${own} Facebook says (${number}): "${theirs}".`,
    status: failure.status,
    retryAfterMs: failure.retryAfterMs,
    ...((failure.uncertain ?? uncertain) && { uncertain: true }),
  });
}

const Usage = z.record(
  z.string(),
  z.array(z.looseObject({ estimated_time_to_regain_access: z.number().catch(0) })),
);

/** Meta tells in minutes (https://developers.facebook.com/docs/graph-api/overview/rate-limiting). */
function regainedAfterMs({ headers }: VendorAnswer): number | undefined {
  const usage = Usage.safeParse(jsonOrUndefined(headers.get('x-business-use-case-usage') ?? ''));
  if (!usage.success) return undefined;
  const minutes = Object.values(usage.data)
    .flat()
    .map((limit) => limit.estimated_time_to_regain_access);
  const longest = Math.max(0, ...minutes);
  return longest > 0 ? longest * 60_000 : undefined;
}
