import { noLimits, passingTokens } from '../../../providers/call.ts';
import type { ProviderCall } from '../../../providers/contract.ts';
import { newId } from '../../../domain/ids.ts';
import { createGuardedNetwork } from '../../../security/ssrf-guard.ts';
import { createLogger } from '../../../telemetry/log.ts';

const network = createGuardedNetwork({ allow: ['127.0.0.0/8'] });

/** A call as the core makes it, against servers on loopback. */
export function providerCall<Settings>(
  settings: Settings,
  more: Partial<ProviderCall<Settings>> = {},
): ProviderCall<Settings> {
  return {
    channel: {
      id: newId('channel'),
      tenantId: newId('tenant'),
      name: 'Support',
      address: 'support@example.test',
      createdAt: new Date(),
    },
    settings,
    network,
    signal: new AbortController().signal,
    log: createLogger('fatal'),
    heartbeat: () => undefined,
    timeoutMs: 10_000,
    tokens: passingTokens(),
    limits: noLimits,
    watch: null,
    doorUrl: null,
    ...more,
  };
}
