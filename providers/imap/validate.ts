import type { ImapFlow } from 'imapflow';
import { ProviderFailure } from '../../domain/failure.ts';
import type { ValidationProblem, ValidationReport } from '../contract.ts';
import { oauthProblem } from '../mail-oauth.ts';
import { validateOutgoing } from '../submission-trial.ts';
import { openFolder, withConnection, type ImapCall } from './client.ts';
import { foldersOf, manifest } from './manifest.ts';

/** Tries what a sync will do, step by step: host, port, TLS, login, each folder; then the outgoing server. */
export async function validate(call: ImapCall): Promise<ValidationReport> {
  const [incoming, outgoing] = await Promise.all([
    tryMailbox(call),
    validateOutgoing(call, call.settings.smtp),
  ]);
  const problems = [...incoming, ...outgoing];
  return {
    ok: problems.length === 0,
    problems,
    warnings: manifest.warnings?.(call.settings) ?? [],
  };
}

async function tryMailbox(call: ImapCall): Promise<ValidationProblem[]> {
  try {
    return await withConnection(call, (client) => tryFolders(client, call));
  } catch (error) {
    if (error instanceof ProviderFailure) return [problemOf(error)];
    throw error;
  }
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

const PLACE: Record<string, { step: string; pointer: string }> = {
  host_not_allowed: { step: 'host', pointer: '/settings/host' },
  host_unknown: { step: 'host', pointer: '/settings/host' },
  dns_failed: { step: 'host', pointer: '/settings/host' },
  connection_refused: { step: 'port', pointer: '/settings/port' },
  unreachable: { step: 'port', pointer: '/settings/port' },
  connection_lost: { step: 'port', pointer: '/settings/port' },
  certificate_refused: { step: 'tls', pointer: '/settings/security' },
  tls_failed: { step: 'tls', pointer: '/settings/security' },
  login_disabled: { step: 'tls', pointer: '/settings/security' },
  login_refused: { step: 'login', pointer: '/settings/password' },
  busy: { step: 'login', pointer: '/settings/host' },
};

function problemOf(failure: ProviderFailure): ValidationProblem {
  const place = PLACE[failure.code.replace(/^imap\./, '')];
  return (
    oauthProblem(failure) ?? {
      ...(place ?? { step: 'port', pointer: '/settings/host' }),
      detail: failure.message,
    }
  );
}
