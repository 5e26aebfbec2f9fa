import type { ImapFlow } from 'imapflow';
import { ProviderFailure } from '../../domain/failure.ts';
import type { ValidationProblem, ValidationReport } from '../contract.ts';
import { validateMailbox } from '../mailbox-trial.ts';
import { openFolder, withConnection, type ImapCall } from './client.ts';
import { foldersOf, manifest } from './manifest.ts';

/** Tries what a sync will do, step by step: host, port, TLS, login, each folder; then the outgoing server. */
export async function validate(call: ImapCall): Promise<ValidationReport> {
  return validateMailbox(call, manifest, () =>
    withConnection(call, (client) => tryFolders(client, call)),
  );
}

async function tryFolders(client: ImapFlow, call: ImapCall): Promise<ValidationProblem[]> {
  const { settings } = call;
  const problems: ValidationProblem[] = [];
  const wanted = [
    ...foldersOf(settings).map((folder) => ({ folder, pointer: '/settings/folder' })),
    ...(settings.after === 'move' && settings.move_to !== undefined
      ? [{ folder: settings.move_to, pointer: '/settings/move_to' }]
      : []),
  ];
  for (const { folder, pointer } of wanted) {
    try {
      const opened = await openFolder(
        client,
        call,
        folder,
        settings.after === 'leave' ? 'read' : 'write',
      );
      if (settings.after !== 'leave' && opened.readOnly)
        problems.push({
          step: 'permission',
          pointer: '/settings/after',
          detail: `Folder "${folder}" may only be read, so mail can't be marked, moved or deleted there. Use "after": "leave".`,
        });
    } catch (error) {
      if (!(error instanceof ProviderFailure) || !client.usable) throw error;
      const detail = `${error.message} ${await knownFolders(client)}`.trim();
      problems.push({ step: 'folder', pointer, detail });
    }
  }
  return problems;
}

async function knownFolders(client: ImapFlow): Promise<string> {
  const names = (await client.list())
    .filter((folder) => !folder.flags.has('\\Noselect') && !folder.flags.has('\\NonExistent'))
    .map((folder) => `"${folder.path}"`);
  const shown = names.slice(0, 15).join(', ');
  return names.length === 0 ? '' : `There are: ${shown}${names.length > 15 ? ' and more' : ''}.`;
}
