// Prints the address that the Temporal UI is given to read payloads: TEMPORAL_CODEC_ENDPOINT.
import { KeyRing } from '../security/key-ring.ts';
import { codecToken } from '../workers/temporal/codec-server.ts';
import { runAsCommand } from './command.ts';
import { masterKey } from './master-key.ts';

await runAsCommand(async (config) => {
  const keys = KeyRing.parse(masterKey(config));
  process.stdout.write(`${config.publicUrl}/codec/${codecToken(keys)}\n`);
});
