// `npm run --silent key`: a new admin API key of tenant `demo`, alone on standard output.
import { makeAdminKey } from './admin-key.ts';
import { runAsCommand } from './command.ts';
import { runningDatabaseUrl } from './running-database.ts';

await runAsCommand(async (config) => {
  const { key } = await makeAdminKey(runningDatabaseUrl(config), 'npm run key');
  process.stdout.write(`${key}\n`);
});
