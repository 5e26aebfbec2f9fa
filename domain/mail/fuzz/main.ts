// `npm run fuzz [-- --seconds N --seed S --mails N --own]`: parses altered mails and checks what always holds.
import { parseArgs } from 'node:util';
import { describeReport, fuzz } from './run.ts';

const usage = `Usage: npm run fuzz -- [--seconds N] [--seed S] [--mails N] [--own]

Alters mails (of our own, and real ones where the corpora lie beside the repository), parses each, and
checks time, memory and form. Each is made by its seed alone: a failure prints what makes it again.

  --seconds N   how long, 60 when missing
  --seed S      first seed; any when missing
  --mails N     ends after so many mails
  --own         of our own mails alone: the same ones on every machine`;

const whole = (text: string): number => {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0)
    throw new Error(`"${text}" is no whole number.\n\n${usage}`);
  return number;
};

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string' },
      mails: { type: 'string' },
      own: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const options = {
    seconds: whole(values.seconds),
    seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : whole(values.seed),
    own: values.own,
    ...(values.mails === undefined ? {} : { mails: whole(values.mails) }),
  };
  process.stdout.write(`seed ${options.seed}\n`);
  const report = await fuzz(options);
  process.stdout.write(`${describeReport(options, report)}\n`);
  return report.failures.length > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
