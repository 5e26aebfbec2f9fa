import { createHash, randomUUID } from 'node:crypto';
import { newNodeId } from './ids.ts';

export interface SimMedia {
  readonly id: string;
  readonly bytes: Buffer;
  readonly contentType: string;
  readonly filename: string | null;
  /** Hex. */
  readonly sha256: string;
  /** The number or page it belongs to. */
  readonly owner: string;
}

/** Files at Meta's, each behind links that end. */
export class MediaStore {
  readonly all = new Map<string, SimMedia>();
  /** https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media */
  linkMs = 5 * 60_000;
  /** How often a file was downloaded, by its id. */
  readonly downloads = new Map<string, number>();
  readonly #links = new Map<string, { media: SimMedia; endsAt: number }>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(
    file: Pick<SimMedia, 'bytes' | 'contentType' | 'owner'> & { filename?: string | null },
  ): SimMedia {
    const media: SimMedia = {
      filename: null,
      ...file,
      id: newNodeId(16),
      sha256: createHash('sha256').update(file.bytes).digest('hex'),
    };
    this.all.set(media.id, media);
    return media;
  }

  /** A new path to the file that is good till it ends. */
  link(media: SimMedia, root: string): string {
    const key = randomUUID();
    const endsAt = this.#now() + this.linkMs;
    this.#links.set(key, { media, endsAt });
    return `${root}?mid=${media.id}&ext=${Math.floor(endsAt / 1000)}&hash=${key}`;
  }

  /** What the link leads to; `ended` where its time is over, undefined where there never was one. */
  at(key: unknown): SimMedia | 'ended' | undefined {
    const link = typeof key === 'string' ? this.#links.get(key) : undefined;
    if (!link || !this.all.has(link.media.id)) return undefined;
    return link.endsAt <= this.#now() ? 'ended' : link.media;
  }

  downloaded(media: SimMedia): void {
    this.downloads.set(media.id, (this.downloads.get(media.id) ?? 0) + 1);
  }
}
