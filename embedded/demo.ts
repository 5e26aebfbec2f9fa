// `npm run demo`: plays the product's story on the terminal, live, against the running product.
import { loadConfig } from '../config/config.ts';
import { makeAdminKey } from './admin-key.ts';
import { apiOf } from './demo/api.ts';
import { CleanUp } from './demo/clean-up.ts';
import { setStage } from './demo/stage.ts';
import { tell } from './demo/story.ts';
import { terminal as terminalOf } from './demo/terminal.ts';
import { readRunningState } from './running-state.ts';
import { stopRequest } from './stop-request.ts';

const HELP = `npm run demo: plays a ticket's story on the terminal, against the product that \`npm start\` runs.

A customer's mail, the ticket, an agent's answer, a reply with an attachment, webhooks arriving at a
receiver that it opens, an SLA that warns, is breached and escalates; about half a minute, each step with
the link to its workflow in the Temporal UI. The channel, the endpoint, the SLA policy and the API key
that it makes are removed at its end; the ticket stays, resolved.

  -- --channels   every mail channel instead: ten doors, each against its vendor's simulator on this
                  machine: a mail with 10 MiB, its duplicate, tampered calls, the answer, its bounce; one table
  -- --chat       WhatsApp and Messenger instead, against Meta's simulator on this machine: text and a picture
                  in, answers out with their receipts, and what may be said after a shortened window
  -- --help       this text

It finds the product by POSTROOM_HOME.
`;

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(HELP);
    return 0;
  }
  const unknown = args.find((arg) => arg !== '--channels' && arg !== '--chat');
  if (unknown !== undefined) {
    process.stderr.write(
      `Unknown option ${unknown}; \`npm run demo -- --help\` says what there is.\n`,
    );
    return 2;
  }
  const cleanUp = new CleanUp();
  const given = new AbortController();
  void stopRequest().then(() => given.abort(new Error('Given up.')));
  const fault = await play(cleanUp, given.signal, args).then(
    () => null,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  if (fault !== null) process.stderr.write(`\n${fault}\n`);
  const left = await cleanUp.run();
  for (const line of left) process.stderr.write(`${line}\n`);
  if (fault !== null || left.length > 0) return 1;
  process.stdout.write('\nEverything that was made for it is removed; its tickets stay.\n');
  return 0;
}

async function play(cleanUp: CleanUp, signal: AbortSignal, args: readonly string[]): Promise<void> {
  const { home } = loadConfig();
  const running = readRunningState(home);
  if (running === null)
    throw new Error(
      `Postroom is not running with the state in ${home}. Run \`npm start\` in another terminal first ` +
        '(or set POSTROOM_HOME where the state is elsewhere).',
    );
  const { id, key } = await makeAdminKey(running.databaseUrl, 'npm run demo');
  const api = apiOf(running.apiUrl, key);
  cleanUp.add(`API key ${id}`, () => api.delete(`/v1/api-keys/${id}`));
  const terminal = terminalOf(process.stdout);
  process.stdout.write(`Postroom's demo, on ${running.apiUrl}\n`);
  if (args.includes('--channels')) {
    // Loaded when it is asked for: the vendors' simulators are of the development's packages.
    const { playChannels } = await import('./demo/channels/play.ts');
    const failed = await playChannels({ api, cleanUp, signal });
    if (failed > 0) throw new Error(`${failed} of the channels did not hold.`);
    return;
  }
  const context = { running, api, terminal, cleanUp, signal };
  if (args.includes('--chat')) {
    const { playChat } = await import('./demo/chat/play.ts');
    return playChat(context);
  }
  await tell(context, await setStage(context));
}

process.exit(await main(process.argv.slice(2)));
