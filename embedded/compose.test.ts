import { describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { Environment } from '../config/schema.ts';
import { PRODUCT_ROLES } from './roles.ts';

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, unknown>>;
  readonly volumes?: readonly string[];
}
interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const root = join(import.meta.dirname, '..');
const text = readFileSync(join(root, 'docker-compose.yml'), 'utf8');
const file = parse(text, { merge: true }) as ComposeFile; // each test below checks what it uses
const ours = Object.entries(file.services).filter(([, service]) => service.build !== undefined);

describe('docker-compose.yml', () => {
  it.each(ours)('%s runs a program that exists, on the one image', (_name, service) => {
    expect(service.image).toBe('postroom:local');
    expect(existsSync(join(root, service.command?.[0] ?? 'missing'))).toBe(true);
  });

  it('runs every role, each in a service of its own', () => {
    const commands = ours.flatMap(([, { command = [] }]) =>
      command[0] === 'workers/main.ts' ? [command.at(-1)] : [],
    );
    expect(new Set(commands)).toEqual(new Set(PRODUCT_ROLES));
    expect(commands).toHaveLength(PRODUCT_ROLES.length);
  });

  it.each(ours)('%s is configured with names that the product reads', (_name, service) => {
    const known = Object.keys(Environment.shape);
    expect(Object.keys(service.environment ?? {}).filter((name) => !known.includes(name))).toEqual(
      [],
    );
  });

  it.each(ours)('%s asks for its secrets instead of having defaults', (_name, service) => {
    expect(service.environment).toMatchObject({
      POSTROOM_MASTER_KEY: expect.stringMatching(/^\$\{POSTROOM_MASTER_KEY:\?.+\}$/),
      DATABASE_URL: expect.stringMatching(/\$\{POSTGRES_PASSWORD:\?.+\}/),
    });
  });

  it('names only services and volumes that it defines', () => {
    for (const service of Object.values(file.services)) {
      for (const name of Object.keys(service.depends_on ?? {}))
        expect(file.services).toHaveProperty(name);
      for (const mount of service.volumes ?? [])
        expect(file.volumes).toHaveProperty(mount.split(':')[0]!);
    }
  });

  it('holds no secret in clear', () => {
    const secrets = text.match(/^\s*\w*(PASSWORD|PWD|KEY)\w*:.*$/gm) ?? [];
    expect(secrets.filter((line) => !line.includes('${'))).toEqual([]);
  });
});
