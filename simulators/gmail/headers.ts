export interface Header {
  readonly name: string;
  readonly value: string;
}

/** A mail's headers, unfolded, in order. */
export function readHeaders(raw: Buffer): Header[] {
  const end = /\r?\n\r?\n/.exec(raw.toString('latin1'))?.index ?? raw.length;
  const head = raw.subarray(0, end).toString('utf8');
  return head
    .replace(/\r?\n[ \t]+/g, ' ')
    .split(/\r?\n/)
    .flatMap((line) => {
      const colon = line.indexOf(':');
      if (colon < 1) return [];
      return [{ name: line.slice(0, colon).trim(), value: line.slice(colon + 1).trim() }];
    });
}

export function readHeader(raw: Buffer, name: string): string | null {
  return readHeaders(raw).find((header) => header.name.toLowerCase() === name)?.value ?? null;
}

/** Message-IDs in a header, without brackets. */
export function messageIdsIn(raw: Buffer, name: string): string[] {
  return [...(readHeader(raw, name) ?? '').matchAll(/<([^<>]+)>/g)].map(([, id]) => id!);
}

/** The same mail with another value of a header. */
export function withHeader(raw: Buffer, name: string, value: string): Buffer {
  const text = raw.toString('latin1');
  const pattern = new RegExp(`^${name}:.*(\\r?\\n[ \\t].*)*`, 'im');
  return Buffer.from(text.replace(pattern, `${name}: ${value}`), 'latin1');
}
