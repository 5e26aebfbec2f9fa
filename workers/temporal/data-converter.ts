import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import type { KeyRing } from '../../security/key-ring.ts';
import { SealingCodec } from './codec.ts';

export const FAILURE_CONVERTER_PATH = fileURLToPath(
  new URL('./failure-converter.ts', import.meta.url),
);

export function dataConverter(keys: KeyRing): DataConverter {
  return { payloadCodecs: [new SealingCodec(keys)], failureConverterPath: FAILURE_CONVERTER_PATH };
}
