import { z } from 'zod';
import { StepFailed } from './patience.ts';

/** The running product's API, as any caller uses it. */
export interface Api {
  get<T>(path: string, answer: z.ZodType<T>): Promise<T>;
  post<T>(path: string, body: unknown, answer: z.ZodType<T>): Promise<T>;
  patch<T>(path: string, body: unknown, answer: z.ZodType<T>): Promise<T>;
  delete(path: string): Promise<void>;
  /** A POST that is to be refused: how it was, in the API's words. @throws StepFailed where it was taken */
  refused(path: string, body: unknown): Promise<{ status: number; detail: string }>;
}

const PATIENCE_MS = 30_000;

/** What is done wrong, from a problem document (RFC 9457). */
const Problem = z.object({
  detail: z.string(),
  errors: z.array(z.object({ pointer: z.string(), message: z.string() })).optional(),
});

export function apiOf(url: string, key: string): Api {
  const ask = (method: string, path: string, body?: unknown) =>
    fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await ask(method, path, body);
    const text = await response.text();
    if (!response.ok)
      throw new StepFailed(`${method} ${path} answered ${response.status}: ${reasonOf(text)}`);
    return text === '' ? null : JSON.parse(text);
  };
  return {
    get: async (path, answer) => answer.parse(await call('GET', path)),
    post: async (path, body, answer) => answer.parse(await call('POST', path, body)),
    patch: async (path, body, answer) => answer.parse(await call('PATCH', path, body)),
    delete: async (path) => void (await call('DELETE', path)),
    async refused(path, body) {
      const response = await ask('POST', path, body);
      const text = await response.text();
      if (response.ok)
        throw new StepFailed(`POST ${path} was taken, and should have been refused.`);
      return { status: response.status, detail: reasonOf(text) };
    },
  };
}

function reasonOf(text: string): string {
  try {
    const { detail, errors = [] } = Problem.parse(JSON.parse(text));
    return [detail, ...errors.map(({ pointer, message }) => `${pointer} ${message}`)].join('; ');
  } catch {
    return text.slice(0, 500); // not an answer of the API itself, but a proxy's
  }
}
