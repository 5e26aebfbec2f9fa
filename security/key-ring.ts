import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  randomBytes,
  type KeyObject,
} from 'node:crypto';

const IV_BYTES = 12;
const TAG_BYTES = 16;

/** A sealed value names the key that sealed it, so that old keys can be kept for reading while a new one writes. */
export class UnknownKeyError extends Error {
  override name = 'UnknownKeyError';
  constructor(keyId: string) {
    super(
      `This value was sealed with key "${keyId}", which POSTROOM_MASTER_KEY does not hold. ` +
        'Add that key to the end of the ring to read it.',
    );
  }
}

/**
 * A ring of AES-256-GCM keys: the first seals, every one opens. Purposes are kept apart by HKDF,
 * so that a column's key never opens a Temporal payload.
 *
 * Sealed form: 1 byte key-id length, key id (ASCII), 12-byte IV, 16-byte tag, ciphertext.
 */
export class KeyRing {
  readonly #masters: ReadonlyMap<string, Buffer>;
  readonly #derived = new Map<string, Buffer>();
  /** Ciphers take bytes too, but make a key object of them at every call, which costs more than the sealing. */
  readonly #cipherKeys = new Map<string, KeyObject>();
  readonly currentId: string;

  private constructor(masters: ReadonlyMap<string, Buffer>) {
    this.#masters = masters;
    this.currentId = masters.keys().next().value!;
  }

  /** Reads `POSTROOM_MASTER_KEY`: base64 keys of 32 bytes, comma-separated, newest first, each optionally `id:`-prefixed. */
  static parse(text: string): KeyRing {
    const masters = new Map<string, Buffer>();
    for (const item of text.split(',')) {
      const [first, second] = item.trim().split(':') as [string, string?];
      const key = Buffer.from(second ?? first, 'base64');
      if (key.length !== 32) throw new Error('A master key wants exactly 32 bytes in base64.');
      const id =
        second === undefined
          ? createHmac('sha256', key).update('key-id').digest('hex').slice(0, 8)
          : first;
      masters.set(id, key);
    }
    return new KeyRing(masters);
  }

  /** A new random key in the form that `parse` reads. */
  static generate(): string {
    return randomBytes(32).toString('base64');
  }

  /** Seals bytes for one purpose; `context` (a row's id) is authenticated, so that a sealed value can't be moved to another row. */
  seal(purpose: string, plain: Uint8Array, context = ''): Buffer {
    const id = Buffer.from(this.currentId, 'ascii');
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#cipherKey(purpose, this.currentId), iv);
    cipher.setAAD(Buffer.from(context));
    const body = Buffer.concat([cipher.update(plain), cipher.final()]);
    return Buffer.concat([Buffer.of(id.length), id, iv, cipher.getAuthTag(), body]);
  }

  /** @throws UnknownKeyError where the ring lacks the key; Error where the value was altered. */
  open(purpose: string, sealed: Uint8Array, context = ''): Buffer {
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
    const ivAt = 1 + bytes.readUInt8(0);
    const id = bytes.toString('ascii', 1, ivAt);
    const iv = bytes.subarray(ivAt, ivAt + IV_BYTES);
    const tag = bytes.subarray(ivAt + IV_BYTES, ivAt + IV_BYTES + TAG_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', this.#cipherKey(purpose, id), iv);
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(tag);
    return Buffer.concat([
      decipher.update(bytes.subarray(ivAt + IV_BYTES + TAG_BYTES)),
      decipher.final(),
    ]);
  }

  sealJson(purpose: string, value: unknown, context = ''): Buffer {
    return this.seal(purpose, Buffer.from(JSON.stringify(value)), context);
  }

  openJson(purpose: string, sealed: Uint8Array, context = ''): unknown {
    return JSON.parse(this.open(purpose, sealed, context).toString('utf8'));
  }

  /** A 32-byte key for one purpose, from the current master or a named one. */
  derive(purpose: string, id = this.currentId): Buffer {
    const cached = this.#derived.get(`${id}/${purpose}`);
    if (cached) return cached;
    const master = this.#masters.get(id);
    if (!master) throw new UnknownKeyError(id);
    const key = Buffer.from(hkdfSync('sha256', master, '', `postroom/${purpose}`, 32));
    this.#derived.set(`${id}/${purpose}`, key);
    return key;
  }

  #cipherKey(purpose: string, id: string): KeyObject {
    const name = `${id}/${purpose}`;
    const cached = this.#cipherKeys.get(name);
    if (cached) return cached;
    const key = createSecretKey(this.derive(purpose, id));
    this.#cipherKeys.set(name, key);
    return key;
  }

  /** The same purpose's key under every master, newest first: for checking tokens minted before a rotation. */
  deriveAll(purpose: string): Buffer[] {
    return [...this.#masters.keys()].map((id) => this.derive(purpose, id));
  }
}
