import type { z } from 'zod';
import type { ProviderManifest } from './contract.ts';

export type EnvironmentSettings<Settings> =
  | { readonly settings: Settings }
  /** None of the manifest's names is set, or those of the app alone. */
  | { readonly settings: null }
  /** Each problem names the variable and what it wants; values are never shown. */
  | { readonly problems: readonly string[] };

/** A single-account installation's settings, from the environment names that the provider's manifest declares. */
export function settingsFromEnvironment<Settings>(
  manifest: ProviderManifest<Settings>,
  environment: Readonly<Record<string, string | undefined>>,
): EnvironmentSettings<Settings> {
  const names = Object.entries(manifest.environment ?? {});
  const given = names.filter(([name]) => environment[name] !== undefined);
  if (given.every(([, path]) => manifest.app?.includes(path))) return { settings: null };
  const raw: Record<string, unknown> = {};
  for (const [name, path] of given) setPath(raw, path, environment[name]);
  const first = manifest.settings.safeParse(raw);
  if (first.success) return { settings: first.data };
  // Everything in an environment is text: what the schema wants otherwise is read again.
  for (const issue of first.error.issues) convert(raw, issue);
  const second = manifest.settings.safeParse(raw);
  if (second.success) return { settings: second.data };
  const nameOf = new Map(names.map(([name, path]) => [path, name]));
  return {
    problems: second.error.issues.map((issue) => {
      const path = issue.path.join('.');
      return `${nameOf.get(path) ?? `${manifest.name} setting "${path}"`}: ${issue.message}`;
    }),
  };
}

/**
 * A channel's settings, with the installation's own app at the vendor where they name none. Only whole: what a channel
 * names of its own is not mixed with it.
 */
export function withInstallationApp(
  {
    app = [],
    appTerms = {},
    environment: names = {},
  }: Pick<ProviderManifest, 'app' | 'appTerms' | 'environment'>,
  settings: unknown,
  environment: Readonly<Record<string, string | undefined>>,
): unknown {
  if (typeof settings !== 'object' || settings === null) return settings;
  if (app.length === 0 || app.some((path) => getPath(settings, path) !== undefined))
    return settings;
  const whole = structuredClone(settings) as Record<string, unknown>; // settings are an object
  for (const [name, path] of Object.entries(names))
    if (app.includes(path) && environment[name] !== undefined)
      setPath(whole, path, environment[name]);
  return app.some((path) => getPath(whole, path) !== undefined)
    ? { ...whole, ...appTerms }
    : settings;
}

function convert(raw: Record<string, unknown>, issue: z.core.$ZodIssue): void {
  if (issue.code !== 'invalid_type') return;
  const path = issue.path.join('.');
  const text = getPath(raw, path);
  if (typeof text !== 'string') return;
  if ((issue.expected === 'number' || issue.expected === 'int') && /^-?\d+$/.test(text))
    setPath(raw, path, Number(text));
  if (issue.expected === 'boolean' && /^(true|false)$/i.test(text))
    setPath(raw, path, text.toLowerCase() === 'true');
}

function getPath(from: object, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], from);
}

function setPath(into: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split('.');
  const last = keys.pop()!;
  let at = into;
  for (const key of keys) at = (at[key] ??= {}) as Record<string, unknown>; // made here, level by level
  at[last] = value;
}
