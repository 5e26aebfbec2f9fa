import { setTimeout as sleep } from 'node:timers/promises';
import { colors, isWatched } from '../colors.ts';

/** How the story is told. */
export interface Terminal {
  /** A numbered step begins; on a terminal after a short pause. */
  step(title: string): Promise<void>;
  say(line: string): void;
  /** A line that came from elsewhere: a mail, a webhook. */
  quote(line: string): void;
  /** Where to look at it. */
  link(url: string): void;
}

const PAUSE_MS = 1_200;

/** Colour and pauses only where a person is looking. */
export function terminal(out: NodeJS.WriteStream): Terminal {
  const { bold, cyan, dim, green } = colors;
  let steps = 0;
  const write = (line: string) => void out.write(`${line}\n`);
  return {
    async step(title) {
      if (isWatched && steps > 0) await sleep(PAUSE_MS);
      steps += 1;
      write(`\n${bold(`${String(steps).padStart(2)}  ${title}`)}`);
    },
    say: (line) => write(`    ${line}`),
    quote: (line) => write(`    ${green('│')} ${line}`),
    link: (url) => write(`    ${dim('see')} ${cyan(url)}`),
  };
}
