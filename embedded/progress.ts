/** Says what is being done; a step over two seconds shows that it goes on. */
export interface Progress {
  say(line: string): void;
  /** Runs a step; after 2 s, and every 5 s from then, says that it is still under way. */
  step<T>(what: string, work: () => Promise<T>): Promise<T>;
}

export const silentProgress: Progress = {
  say: () => undefined,
  step: (_what, work) => work(),
};

/** Lines on standard error, so that standard output stays for results. */
export function terminalProgress(
  write = (line: string) => void process.stderr.write(line),
): Progress {
  const say = (line: string) => write(`${line}\n`);
  return {
    say,
    async step(what, work) {
      const from = Date.now();
      const seconds = () => Math.round((Date.now() - from) / 1000);
      let told = false;
      const tell = () => {
        say(told ? `  … ${what}, ${seconds()} s` : `${what} …`);
        told = true;
      };
      let repeat: NodeJS.Timeout | undefined;
      const first = setTimeout(() => {
        tell();
        repeat = setInterval(tell, 5000);
      }, 1500);
      try {
        return await work();
      } finally {
        clearTimeout(first);
        clearInterval(repeat);
        if (told) say(`  … done in ${seconds()} s`);
      }
    },
  };
}
