import { Client, Connection } from '@temporalio/client';
import { NativeConnection, type TLSConfig } from '@temporalio/worker';
import type { ReadinessPart } from '../../api/deps.ts';
import type { TemporalTarget } from '../../config/config.ts';
import type { KeyRing } from '../../security/key-ring.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/contracts/search-attributes.ts';
import { dataConverter } from './data-converter.ts';

function options(target: TemporalTarget) {
  return {
    address: target.address ?? '127.0.0.1:7233',
    apiKey: target.apiKey,
    tls: tls(target),
  };
}

function tls({ tls: given, apiKey }: TemporalTarget): TLSConfig | undefined {
  if (!given) return apiKey ? {} : undefined;
  return {
    serverNameOverride: given.serverName,
    serverRootCACertificate: given.ca,
    ...(given.cert && given.key ? { clientCertPair: { crt: given.cert, key: given.key } } : {}),
  };
}

/** A client that connects when it is first used, so that the API starts and takes mail while Temporal is away. */
export function createClient(target: TemporalTarget, keys: KeyRing): Client {
  const connection = Connection.lazy(options(target));
  return new Client({
    connection,
    namespace: target.namespace,
    dataConverter: dataConverter(keys),
  });
}

export function connectWorkers(target: TemporalTarget): Promise<NativeConnection> {
  return NativeConnection.connect(options(target));
}

const INDEXED_KEYWORD = 2;
const INDEXED_INT = 3;

/** Makes the search attributes known; those that exist are left alone. Temporal Cloud has them made by its own tools. */
export async function registerSearchAttributes(client: Client, namespace: string): Promise<void> {
  const searchAttributes = Object.fromEntries(
    Object.values(SEARCH_ATTRIBUTES).map((key) => [
      key.name,
      key.type === 'INT' ? INDEXED_INT : INDEXED_KEYWORD,
    ]),
  );
  await client.connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
}

/** What `/readyz` says of Temporal: whether its frontend answers. */
export async function temporalReadiness(client: Client): Promise<ReadinessPart> {
  try {
    await client.connection.withDeadline(Date.now() + 2_000, () =>
      client.workflowService.getSystemInfo({}),
    );
    return { name: 'temporal', ok: true, detail: '' };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return {
      name: 'temporal',
      ok: false,
      detail: `${reason}. Mail is still taken; start Temporal, or mend TEMPORAL_ADDRESS.`,
    };
  }
}
