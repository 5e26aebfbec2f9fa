/**
 * Google's partial responses (https://developers.google.com/workspace/gmail/api/guides/performance#partial-response):
 * `id,payload(headers)` leaves only these. @throws RangeError where the mask is none
 */
export function masked(value: unknown, fields: string | undefined): unknown {
  return fields === undefined ? value : pick(value, parse(fields));
}

type Mask = Map<string, Mask | null>;

function parse(fields: string): Mask {
  const tokens = fields.match(/[\w@]+|[(),/]/g) ?? [];
  let at = 0;
  const list = (): Mask => {
    const mask: Mask = new Map();
    do {
      const name = tokens[at++];
      if (name === undefined || !/^[\w@]+$/.test(name))
        throw new RangeError(`Invalid field selection ${fields}`);
      if (tokens[at] === '(') {
        at += 1;
        mask.set(name, list());
        if (tokens[at++] !== ')') throw new RangeError(`Invalid field selection ${fields}`);
      } else mask.set(name, null);
    } while (tokens[at] === ',' && ++at);
    return mask;
  };
  const mask = list();
  if (at !== tokens.length) throw new RangeError(`Invalid field selection ${fields}`);
  return mask;
}

function pick(value: unknown, mask: Mask): unknown {
  if (Array.isArray(value)) return value.map((one) => pick(one, mask));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, field]) => {
      if (!mask.has(name)) return [];
      const inner = mask.get(name);
      return [[name, inner ? pick(field, inner) : (field as unknown)]];
    }),
  );
}
