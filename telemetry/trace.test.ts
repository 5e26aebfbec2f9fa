import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { currentTraceparent, startSpan, traced, turnTracing, within } from './trace.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = `00-${TRACE}-b7ad6b7169203331-01`;

describe('tracing', () => {
  const exporter = new InMemorySpanExporter();
  const finished = () => exporter.getFinishedSpans();

  beforeEach(() => {
    exporter.reset();
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    const processor = new SimpleSpanProcessor(exporter);
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [processor] }));
    turnTracing('on');
  });

  afterEach(() => {
    turnTracing('off');
    trace.disable();
    context.disable();
  });

  it('goes on from a row, and gives what it makes the trace to go on from', async () => {
    const made = await traced('work', { parent: PARENT }, async () => currentTraceparent());
    const [span] = finished();
    expect(span!.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
    expect(made).toBe(`00-${TRACE}-${span!.spanContext().spanId}-01`);
    expect(currentTraceparent()).toBeNull();
  });

  it('links a batch to the traces it serves', async () => {
    const other = PARENT.replace('0af7', '1af7');
    await traced('batch', { parent: null, links: [PARENT, other, null] }, async () => undefined);
    const [span] = finished();
    expect(span!.parentSpanContext).toBeUndefined();
    expect(span!.links.map((link) => link.context.traceId)).toEqual([
      TRACE,
      TRACE.replace('0af7', '1af7'),
    ]);
  });

  it('begins anew where the row says nothing, or nonsense', async () => {
    for (const parent of [null, '', 'nonsense', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`])
      await traced('work', { parent }, async () => undefined);
    expect(finished().map((span) => span.parentSpanContext)).toEqual(Array(4).fill(undefined));
  });

  it('is a child of the current span where nothing else is said', async () => {
    const outer = startSpan('outer', {})!;
    await within(outer, () => traced('inner', {}, async () => undefined));
    outer.end();
    const [inner] = finished();
    expect(inner!.parentSpanContext?.spanId).toBe(outer.spanContext().spanId);
  });

  it('marks a failure by its name, and keeps its words to itself', async () => {
    const failing = traced('work', {}, async () => {
      throw new RangeError('550 ada@example.com is unknown');
    });
    await expect(failing).rejects.toThrow('550');
    const [span] = finished();
    expect(span!.attributes).toEqual({ 'error.type': 'RangeError' });
    expect(JSON.stringify([span!.status, span!.events])).not.toContain('ada');
  });

  it('does nothing but the work when it is off', async () => {
    turnTracing('off');
    expect(
      await traced('work', { parent: PARENT }, async (span) => [span, currentTraceparent()]),
    ).toEqual([null, null]);
    expect(startSpan('work', {})).toBeNull();
    expect(finished()).toEqual([]);
  });
});
