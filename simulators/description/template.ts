/** Matches what a path template such as `/users/{userId}/messages:send` stands for; each parameter is one segment. */
export function templatePattern(template: string): RegExp {
  const pattern = template
    .split(/(\{[^}]+\})/)
    .map((part) =>
      part.startsWith('{')
        ? `(?<p${Buffer.from(part.slice(1, -1)).toString('hex')}>[^/]+)`
        : part.replace(/[$()*+.?[\\\]^{|}/-]/g, '\\$&'),
    )
    .join('');
  return new RegExp(`^${pattern}$`);
}

/** The parameters of a path that matched, decoded. @throws URIError where its percent-encoding is broken */
export function templateValues(match: RegExpExecArray): Record<string, string> {
  return Object.fromEntries(
    Object.entries(match.groups ?? {}).map(([group, value]) => [
      Buffer.from(group.slice(1), 'hex').toString(),
      decodeURIComponent(value),
    ]),
  );
}

/** Literal paths before templated ones (OpenAPI 3.1 §4.8.8.2), longer literals first. */
export function byConcreteness(one: string, other: string): number {
  const parameters = (template: string) => template.split('{').length;
  return parameters(one) - parameters(other) || other.length - one.length;
}
