import { context, propagation, trace } from '@opentelemetry/api';
import type { TracingTarget } from '../config/config.ts';
import { turnTracing } from './trace.ts';

/** Traces of this process, sent to the collector in batches. */
export interface Tracing {
  /** Sends what is left; waits no longer than 3 s for the collector. */
  close(): Promise<void>;
}

const NOTHING: Tracing = { close: () => Promise.resolve() };
const CLOSE_MS = 3_000;

/**
 * Sends spans by OTLP over HTTP (https://opentelemetry.io/docs/specs/otlp/) where an endpoint is configured. Without one
 * the SDK is not even loaded.
 */
export async function startTracing(target: TracingTarget | undefined): Promise<Tracing> {
  if (!target) return NOTHING;
  const [{ AsyncLocalStorageContextManager }, { OTLPTraceExporter }, core, resources, sdk] =
    await Promise.all([
      import('@opentelemetry/context-async-hooks'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/core'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/sdk-trace-base'),
    ]);
  const exporter = new OTLPTraceExporter({ url: target.url, headers: { ...target.headers } });
  const processor = new sdk.BatchSpanProcessor(exporter, { scheduledDelayMillis: 1_000 });
  const provider = new sdk.BasicTracerProvider({
    resource: resources.resourceFromAttributes({ 'service.name': target.serviceName }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(target.ratio) }),
    spanProcessors: [processor],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  turnTracing('on');
  return {
    async close() {
      turnTracing('off');
      const late = new Promise<void>((done) => void setTimeout(done, CLOSE_MS).unref());
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
      trace.disable();
      propagation.disable();
      context.disable();
    },
  };
}
