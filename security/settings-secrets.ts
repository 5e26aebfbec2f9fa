type JsonObject = Record<string, unknown>;

/**
 * Takes the values at `paths` (`password`, `smtp.password`) out of settings.
 * @returns the rest, and what was taken, by path.
 */
export function splitSecrets(
  settings: Readonly<JsonObject>,
  paths: readonly string[],
): { open: JsonObject; secrets: JsonObject } {
  const open = structuredClone(settings) as JsonObject; // plain JSON
  const secrets: JsonObject = {};
  for (const path of paths) {
    const { parent, name } = place(open, path);
    if (parent && parent[name] !== undefined) {
      secrets[path] = parent[name];
      delete parent[name];
    }
  }
  return { open, secrets };
}

/** Puts secrets back where they belong; a path whose parent is gone is left out. */
export function mergeSecrets(settings: Readonly<JsonObject>, secrets: Readonly<JsonObject>) {
  const merged = structuredClone(settings) as JsonObject; // plain JSON
  for (const [path, value] of Object.entries(secrets)) {
    const { parent, name } = place(merged, path);
    if (parent) parent[name] = value;
  }
  return merged;
}

/** JSON Merge Patch (RFC 7396) of objects: null removes a member. */
export function mergePatch(target: Readonly<JsonObject>, patch: Readonly<JsonObject>): JsonObject {
  const merged: JsonObject = { ...target };
  for (const [name, value] of Object.entries(patch)) {
    if (name === '__proto__') continue;
    if (value === null) delete merged[name];
    else if (isObject(value))
      merged[name] = mergePatch(isObject(merged[name]) ? merged[name] : {}, value);
    else merged[name] = value;
  }
  return merged;
}

function place(root: JsonObject, path: string) {
  const names = path.split('.');
  const name = names.pop()!;
  let parent: JsonObject | null = root;
  for (const step of names) {
    const next: unknown = parent?.[step];
    parent = isObject(next) ? next : null;
  }
  return { parent, name };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
