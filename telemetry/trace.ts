import {
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Context,
  type Span,
  type SpanContext,
} from '@opentelemetry/api';

/** Set by `startTracing`; without it nothing here costs more than this question. */
let on = false;

export function turnTracing(state: 'on' | 'off'): void {
  on = state === 'on';
}

export function isTracing(): boolean {
  return on;
}

export interface SpanOptions {
  /** `server`: called from outside. `client`: calls the outside. Default: our own work. */
  readonly kind?: 'server' | 'client';
  /** A `traceparent` to go on from, a row's or a request's; left out, the current span is the parent. */
  readonly parent?: string | null;
  /** Other traces that this work serves: a batch names those of its items. */
  readonly links?: readonly (string | null)[];
  /** Ids, names and numbers; never an address, a subject or a text. */
  readonly attributes?: Attributes;
}

const KIND = { server: SpanKind.SERVER, client: SpanKind.CLIENT };

/**
 * Runs `work` as a span. Its failure is marked by the error's name alone: a message can quote a person.
 * Without tracing it only runs `work`.
 */
export async function traced<T>(
  name: string,
  options: SpanOptions,
  work: (span: Span | null) => Promise<T>,
): Promise<T> {
  if (!on) return work(null);
  const span = begin(name, options);
  try {
    return await context.with(trace.setSpan(context.active(), span), () => work(span));
  } catch (error) {
    fail(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** A span that ends by an event and not with a function; null without tracing. */
export function startSpan(name: string, options: SpanOptions): Span | null {
  return on ? begin(name, options) : null;
}

/** Runs `work` so that spans and rows made by it belong to `span`. */
export function within<T>(span: Span | null, work: () => T): T {
  return span ? context.with(trace.setSpan(context.active(), span), work) : work();
}

export function fail(span: Span, error: unknown): void {
  const type = error instanceof Error ? error.name : typeof error;
  span.setAttribute('error.type', type).setStatus({ code: SpanStatusCode.ERROR });
}

/** The current span as a `traceparent` header (https://www.w3.org/TR/trace-context/), or null. */
export function currentTraceparent(): string | null {
  if (!on) return null;
  const span = trace.getSpanContext(context.active());
  if (!span || !isSpanContextValid(span)) return null;
  return `00-${span.traceId}-${span.spanId}-0${(span.traceFlags & TraceFlags.SAMPLED).toString(16)}`;
}

function begin(name: string, { kind, parent, links = [], attributes }: SpanOptions): Span {
  const linked = links.flatMap((link) => spanContext(link) ?? []).map((context) => ({ context }));
  return trace.getTracer('postroom').startSpan(
    name,
    {
      kind: kind ? KIND[kind] : SpanKind.INTERNAL,
      attributes,
      links: linked,
    },
    parent === undefined ? context.active() : goingOn(parent),
  );
}

function goingOn(parent: string | null): Context {
  const remote = spanContext(parent);
  return remote ? trace.setSpanContext(ROOT_CONTEXT, remote) : ROOT_CONTEXT;
}

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/;

function spanContext(traceparent: string | null): SpanContext | null {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  if (!traceId || !spanId || !flags) return null;
  const found = { traceId, spanId, traceFlags: parseInt(flags, 16), isRemote: true };
  return isSpanContextValid(found) ? found : null;
}
