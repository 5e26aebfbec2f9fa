import { GraphError } from '@microsoft/microsoft-graph-client';
import { z } from 'zod';
import { ProviderFailure } from '../../domain/failure.ts';
import { PATIENCE_MS, type Graph } from './client.ts';
import { graphFailure } from './failure.ts';

/** https://learn.microsoft.com/graph/json-batching#batch-size-limitations */
export const MOST_TOGETHER = 20;
/** Of an answer, in JSON. What is larger comes in answers of its own. */
const MOST_ANSWER_BYTES = 8 * 1024 * 1024;
/** Times as long as for one answer: nothing may come of it before all of it is done. */
const LONGER = 2;
const PERMISSION = 'Mail.Read';

/** Where so many brought nothing, nor did any other, the rest of a batch is not asked for. */
const ENOUGH = 2;

/**
 * What came of one of several requests: its body; `gone` where nothing is there; `alone` where it is to be asked for
 * by itself, and `refused` where Graph, besides, would say the same of it in every batch; or why nothing can be asked
 * for now.
 */
export type Brought = { readonly body: unknown } | 'gone' | 'alone' | 'refused' | ProviderFailure;

const Part = z.object({
  id: z.string(),
  status: z.int(),
  headers: z.record(z.string(), z.unknown()).optional(),
  body: z.unknown(),
});
type Part = z.infer<typeof Part>;
const Answer = z.object({ responses: z.array(Part) });

/**
 * Several GETs in one request, each with an answer of its own; at most `MOST_TOGETHER`. They are done one after the
 * other, so that all of them take one of the places a mailbox has
 * (https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits-for-json-batching). What one keeps from
 * being done, because it failed, is asked for again. @returns in the order of `paths`
 */
export async function askTogether(graph: Graph, paths: readonly string[]): Promise<Brought[]> {
  const asking = new Asking(graph, paths);
  while (asking.left.length > 0) await asking.round();
  return asking.brought();
}

class Asking {
  readonly #graph: Graph;
  readonly #paths: readonly string[];
  readonly #brought = new Map<number, Brought>();

  constructor(graph: Graph, paths: readonly string[]) {
    this.#graph = graph;
    this.#paths = paths;
  }

  /** Places in `paths` of what is not decided yet. */
  get left(): number[] {
    return [...this.#paths.keys()].filter((place) => !this.#brought.has(place));
  }

  brought(): Brought[] {
    return this.#paths.map((_path, place) => this.#brought.get(place)!); // decided, each
  }

  async round(): Promise<void> {
    try {
      await this.#graph.read(
        {
          method: 'POST',
          path: '/$batch',
          body: () => ({ requests: this.#requests() }),
          permission: PERMISSION,
          repeatable: true,
          idleMs: LONGER * this.#graph.call.timeoutMs,
        },
        async (body) => {
          const text = await textWithin(body, MOST_ANSWER_BYTES);
          if (text === null) this.#decideRest('alone');
          else await this.#settle(partsOf(text));
        },
      );
    } catch (error) {
      if (!(error instanceof ProviderFailure)) throw error;
      if (error.class === 'wait') return this.#decideRest(error);
      // A proxy or a cloud without batches, or a batch that takes too long: one by one it may go.
      this.#graph.isBatching = false;
      this.#decideRest('alone');
    }
  }

  #requests(): object[] {
    return this.left.map((place, index, all) => ({
      id: String(place),
      method: 'GET',
      url: this.#paths[place]!,
      headers: { Prefer: 'IdType="ImmutableId"' },
      ...(index > 0 && { dependsOn: [String(all[index - 1]!)] }),
    }));
  }

  #decideRest(as: Brought): void {
    for (const place of this.left) this.#brought.set(place, as);
  }

  /** @throws GraphError where none of the parts got further: what the first that was held up says */
  async #settle(parts: readonly Part[]): Promise<void> {
    const before = this.#brought.size;
    let held: { error: GraphError; failure: ProviderFailure } | undefined;
    for (const part of parts) {
      const place = Number(part.id);
      if (part.status === 424 || this.#paths[place] === undefined || this.#brought.has(place))
        continue;
      if (part.status < 300) {
        this.#brought.set(place, { body: part.body });
        continue;
      }
      const error = errorOf(part);
      const failure = graphFailure(error, this.#graph.call.settings, PERMISSION) as ProviderFailure; // of a GraphError
      if (failure.class === 'wait' || failure.status === 401) held ??= { error, failure };
      else this.#decide(place, failure);
    }
    if (this.#brought.size === before)
      throw held?.error ?? new GraphError(502, 'A batch was answered without its parts.');
    if (held?.failure.retryAfterMs !== undefined) await this.#pause(held.failure);
    // Each that fails keeps those behind it from being done: twenty that fail would take twenty batches.
    const isOfUse = [...this.#brought.values()].some((one) => one !== 'alone' && one !== 'refused');
    if (this.#brought.size >= ENOUGH && !isOfUse) this.#decideRest('alone');
  }

  async #pause(failure: ProviderFailure): Promise<void> {
    const ms = failure.retryAfterMs!;
    await this.#graph.call.limits.pause(new Date(Date.now() + ms));
    if (ms > PATIENCE_MS) this.#decideRest(failure);
  }

  #decide(place: number, { code, class: kind }: ProviderFailure): void {
    if (code === 'microsoft365.not_found') this.#brought.set(place, 'gone');
    else this.#brought.set(place, kind === 'give_up' ? 'refused' : 'alone');
  }
}

function partsOf(text: string): readonly Part[] {
  const answer = Answer.safeParse(JSON.parse(text));
  return answer.success ? answer.data.responses : [];
}

const PartError = z.object({
  error: z.object({ code: z.string().catch(''), message: z.string().catch('') }),
});

function errorOf({ status, headers = {}, body }: Part): GraphError {
  const told = PartError.safeParse(body).data?.error;
  const error = new GraphError(status, told?.message ?? '');
  error.code = told?.code ?? null;
  const texts = Object.entries(headers).filter(
    (header): header is [string, string] => typeof header[1] === 'string',
  );
  error.headers = new Headers(texts);
  return error;
}

/** Null where there is more of it. */
async function textWithin(body: AsyncIterable<Uint8Array>, most: number): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > most) return null;
  }
  return Buffer.concat(chunks).toString();
}
