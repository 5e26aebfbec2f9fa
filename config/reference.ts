// `npm run docs:config`: writes docs/configuration.md from the schemas that the product itself reads.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { TenantSettings } from '../domain/tenant-settings.ts';
import type { ProviderManifest } from '../providers/contract.ts';
import { providers } from '../providers/registry.ts';
import { Environment } from './schema.ts';

export const REFERENCE_FILE = join(import.meta.dirname, '../docs/configuration.md');

/** The part of JSON Schema that our schemas come to. */
interface Schema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly const?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

interface Setting {
  readonly path: string;
  readonly schema: Schema;
  readonly isRequired: boolean;
}

const SECTIONS: readonly { title: string; holds: (name: string) => boolean }[] = [
  {
    title: 'Watching',
    holds: (name) => name.startsWith('OTEL_') || name.endsWith('METRICS_PORT'),
  },
  { title: 'Temporal', holds: (name) => name.includes('TEMPORAL') || name.includes('TASK_QUEUE') },
  { title: 'Postgres', holds: (name) => name.includes('DATABASE') || name.includes('POSTGRES') },
  { title: 'The mail door', holds: (name) => name.startsWith('POSTROOM_SMTP') },
  { title: 'The process', holds: () => true },
];

/** The whole of docs/configuration.md. */
export function configurationReference(): string {
  return `# Configuration

<!-- Written by \`npm run docs:config\` from config/schema.ts and the providers' manifests; don't edit it. -->

Everything is optional. Values come from the environment and from a file \`.env\` in the working directory; the
environment wins, and an empty value counts as none. A value that can't be used stops the boot with its name, what it
got and what it wants. \`npm start -- --help\` prints the same list.

${environmentSections()}
## A tenant's rules

Kept per tenant in Postgres (column \`settings\` of table \`tenants\`); what is not set has its default. No route changes
them yet: the owner of the tables does, such as
\`update tenants set settings = settings || '{"auto_close_hours": 24}' where name = 'demo'\`.

${table(settingsOf(jsonSchema(TenantSettings)), [])}
## Channels

\`settings\` of \`POST /v1/channels\` and \`PATCH /v1/channels/{id}\`. **Secret** values are sealed at rest and never
returned. The names in *Environment* are for an installation with a single account: where some are set, \`npm start\` makes
the provider's channel in tenant \`demo\`, or brings it up to date.

${providers.map(({ manifest }) => providerSection(manifest)).join('\n')}`;
}

function environmentSections(): string {
  const left = settingsOf(jsonSchema(Environment));
  const texts = SECTIONS.map(({ title, holds }) => {
    const held = left.filter(({ path }) => holds(path));
    for (const setting of held) left.splice(left.indexOf(setting), 1);
    return `## ${title}\n\n${table(held, [])}`;
  });
  return texts.toReversed().join('\n');
}

function providerSection(manifest: ProviderManifest): string {
  const { name, title, secrets, environment = {} } = manifest;
  const variables = Object.entries(environment);
  const reserved =
    variables.length === 0
      ? ''
      : `\n*Environment*: ${variables.map(([variable, path]) => `\`${variable}\` (${path})`).join(', ')}.\n`;
  return `### \`${name}\`: ${title}\n\n${table(settingsOf(jsonSchema(manifest.settings)), secrets)}${reserved}`;
}

function table(settings: readonly Setting[], secrets: readonly string[]): string {
  const rows = settings.map(({ path, schema, isRequired }) => {
    const meaning = [secrets.includes(path) ? '**Secret.**' : '', schema.description ?? ''];
    const fallback = isRequired ? '*required*' : defaultOf(schema);
    return `| \`${path}\` | ${cell(meaning.filter(Boolean).join(' '))} | ${valuesOf(schema)} | ${fallback} |`;
  });
  return `| Name | Meaning | Values | Default |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

/** The fields of an object, those of objects in it by their path: `smtp.host`. */
function settingsOf(root: Schema, within: Schema = root, prefix = ''): Setting[] {
  const object = resolved(root, within);
  return Object.entries(object.properties ?? {}).flatMap(([name, field]) => {
    const schema = resolved(root, field);
    const path = prefix + name;
    if (schema.properties) return settingsOf(root, schema, `${path}.`);
    const isRequired = prefix === '' && (object.required ?? []).includes(name);
    return [{ path, schema, isRequired }];
  });
}

/** What a reference points at; what stands beside the reference counts more. */
function resolved(root: Schema, schema: Schema): Schema {
  const name = schema.$ref?.split('/').at(-1);
  return name === undefined ? schema : { ...root.$defs?.[name], ...schema, $ref: undefined };
}

function valuesOf(schema: Schema): string {
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.anyOf) return [...new Set(schema.anyOf.map(valuesOf))].join(' or ');
  if (schema.type === 'array') return 'list';
  if (schema.type === 'integer' || schema.type === 'number') return rangeOf(schema);
  return schema.format ?? (schema.type === 'string' ? 'text' : (schema.type ?? ''));
}

function rangeOf({ minimum = -Infinity, maximum = Infinity }: Schema): string {
  const most = maximum >= Number.MAX_SAFE_INTEGER ? Infinity : maximum;
  if (most === Infinity) return minimum === -Infinity ? 'number' : `${minimum} or more`;
  return `${minimum}–${most}`;
}

function defaultOf({ default: value }: Schema): string {
  if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0))
    return '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function jsonSchema(schema: z.ZodType): Schema {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema; // of it, only the part above is read
}

if (import.meta.main) writeFileSync(REFERENCE_FILE, configurationReference());
