import type { Payload, PayloadCodec } from '@temporalio/common';
import protobuf from '@temporalio/proto';
import type { KeyRing } from '../../security/key-ring.ts';

const ENCODING = 'binary/encrypted';
const PURPOSE = 'temporal-payload';
const Proto = protobuf.temporal.api.common.v1.Payload;

/** Seals every payload on its way to Temporal: AES-256-GCM under the installation's key ring. */
export class SealingCodec implements PayloadCodec {
  readonly #keys: KeyRing;

  constructor(keys: KeyRing) {
    this.#keys = keys;
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => ({
      metadata: {
        encoding: Buffer.from(ENCODING),
        'encryption-key-id': Buffer.from(this.#keys.currentId),
      },
      data: this.#keys.seal(PURPOSE, Proto.encode(payload).finish()),
    }));
  }

  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => {
      const encoding = payload.metadata?.encoding;
      if (!encoding || Buffer.from(encoding).toString() !== ENCODING || !payload.data)
        return payload;
      return Proto.decode(this.#keys.open(PURPOSE, payload.data));
    });
  }
}
