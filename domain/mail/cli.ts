import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { parseArgs } from 'node:util';
import { parseMail } from './parse.ts';

const usage = `Usage: npm run --silent parse -- FILE…

Prints the normalized message of each raw mail (RFC 5322), one JSON object a line, in order.
"-" reads one mail from standard input. For a file that can't be read, the line is
{"file": …, "error": …}, and the exit status is 1.

  -h, --help   shows this text`;

function openSource(file: string): Readable {
  return file === '-' ? process.stdin : createReadStream(file);
}

async function parseLine(file: string): Promise<{ line: string; failed: boolean }> {
  try {
    const { message } = await parseMail(openSource(file), { receivedAt: new Date() });
    return { line: JSON.stringify(message), failed: false };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { line: JSON.stringify({ file, error: reason }), failed: true };
  }
}

function readArguments(): { files: string[]; help: boolean } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h', default: false } },
  });
  return { files: positionals, help: values.help };
}

async function main(): Promise<number> {
  let wanted: ReturnType<typeof readArguments>;
  try {
    wanted = readArguments();
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    return 2;
  }
  if (wanted.help) {
    console.log(usage);
    return 0;
  }
  if (wanted.files.length === 0) {
    console.error(`No file was given.\n\n${usage}`);
    return 2;
  }
  let failures = 0;
  for (const file of wanted.files) {
    const { line, failed } = await parseLine(file);
    console.log(line);
    if (failed) failures++;
  }
  return failures > 0 ? 1 : 0;
}

process.exitCode = await main();
