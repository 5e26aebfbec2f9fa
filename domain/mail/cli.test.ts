import { describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NormalizedMessage } from '../message.ts';

const cli = join(import.meta.dirname, 'cli.ts');

function run(
  args: string[],
  input = '',
): Promise<{ status: number | null; lines: string[]; errors: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cli, ...args]);
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, lines: output.trim().split('\n'), errors }));
    child.stdin.end(input);
  });
}

describe('parse', () => {
  it('prints one message a line, in order, and an error where a file is missing', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'parse-'));
    const file = join(folder, 'a.eml');
    writeFileSync(file, 'Subject: from a file\n\nwords');
    const { status, lines } = await run(
      [file, join(folder, 'missing.eml'), '-'],
      'Subject: from input\n\nwords',
    );
    rmSync(folder, { recursive: true });
    const [first, missing, last] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(status).toBe(1);
    expect(NormalizedMessage.parse(first).subject).toBe('from a file');
    expect(missing).toEqual({
      file: join(folder, 'missing.eml'),
      error: expect.stringContaining('ENOENT'),
    });
    expect(NormalizedMessage.parse(last).subject).toBe('from input');
  });

  it('ends with 0 where all could be read', async () => {
    expect((await run(['-'], 'Subject: x\n\ny')).status).toBe(0);
  });

  it('explains itself', async () => {
    const help = await run(['--help']);
    expect(help.status).toBe(0);
    expect(help.lines[0]).toMatch(/^Usage:/);
    const nothing = await run([]);
    expect(nothing).toMatchObject({
      status: 2,
      errors: expect.stringContaining('No file was given'),
    });
  });
});
