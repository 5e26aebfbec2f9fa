import { describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { routes } from '../api/routes/index.ts';
import { Environment } from '../config/schema.ts';
import { providers } from '../providers/registry.ts';

const root = join(import.meta.dirname, '..');
const files = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
].map((name) => [name, readFileSync(join(root, name), 'utf8')] as const);

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
}; // npm keeps it so

const measured = readdirSync(join(root, 'telemetry'))
  .map((name) => readFileSync(join(root, 'telemetry', name), 'utf8'))
  .join('\n');

describe.each(files)('%s', (name, text) => {
  it('links to what is there', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)];
    const broken = links.filter(([, path = '', anchor]) => {
      const target = path === '' ? join(root, name) : join(root, dirname(name), path);
      if (!existsSync(target)) return true;
      return anchor !== undefined && !anchorsOf(readFileSync(target, 'utf8')).includes(anchor);
    });
    expect(broken.map(([link]) => link)).toEqual([]);
  });

  it('names commands and files that exist', () => {
    const commands = [...text.matchAll(/npm run (?:--silent )?([\w:]+)/g)].map(
      ([, script]) => script!,
    );
    expect(commands.filter((script) => scripts[script] === undefined)).toEqual([]);
    const named = [...text.matchAll(/`((?:\w+\/)+[\w.-]+\.(?:ts|mjs|md))`/g)].map(
      ([, path]) => path!,
    );
    const missing = named.filter(
      (path) => !existsSync(join(root, path)) && !existsSync(join(root, dirname(name), path)),
    );
    expect(missing).toEqual([]);
  });

  it('names variables that the product reads', () => {
    const known = new Set([
      ...Object.keys(Environment.shape),
      ...providers.flatMap(({ manifest }) => Object.keys(manifest.environment ?? {})),
      'TEMPORAL_CODEC_ENDPOINT', // of Temporal's own UI
    ]);
    const named = text.match(/\b(?:POSTROOM|TEMPORAL|IMAP|SMTP|MIME)_[A-Z_]+[A-Z]\b/g) ?? [];
    expect([...new Set(named)].filter((variable) => !known.has(variable))).toEqual([]);
  });

  it('names metrics that are measured', () => {
    const named = text.match(/\bpostroom_(?!app\b)[a-z_]+[a-z]\b/g) ?? [];
    expect([...new Set(named)].filter((metric) => !isMeasured(metric))).toEqual([]);
  });

  it('names routes that the API has', () => {
    const known = routes.map(({ path }) => shapeOf(path));
    const named = text.match(/\/v1\/[\w/{}$…-]+(?::\w+)?/g) ?? [];
    expect([...new Set(named)].filter((path) => !known.includes(shapeOf(path)))).toEqual([]);
  });
});

/** A histogram is told in three series; Node's own metrics come with the library. */
function isMeasured(metric: string): boolean {
  if (/^postroom_(process|nodejs)_/.test(metric)) return true;
  const name = metric.replace(/_(bucket|count|sum)$/, '');
  return measured.includes(`'${metric}'`) || measured.includes(`'${name}'`);
}

/** As GitHub makes them of headings. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

/** `/v1/tickets/{id}/messages` for any ticket. */
function shapeOf(path: string): string {
  return path
    .split('/')
    .map((part, at) => (at >= 3 && /^(\{|\$|\d|[a-z]{3}_)/.test(part) ? '{}' : part))
    .join('/');
}

it('every decision and runbook is in its index', () => {
  const index = ['docs/adr', 'docs/runbooks'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((page) => page !== 'README.md')
      .map((page) => [folder, page] as const),
  );
  for (const [folder, page] of index)
    expect(readFileSync(join(root, folder, 'README.md'), 'utf8')).toContain(
      `(${relative(folder, join(folder, page))})`,
    );
});
