import { ProviderFailure } from '../../domain/failure.ts';
import { connectionPlaces, type Places } from '../connect.ts';
import type { ValidationProblem, ValidationReport } from '../contract.ts';
import { Graph, type GraphRequest } from './client.ts';
import { folderPath } from './folder.ts';
import { foldersOf, manifest } from './manifest.ts';
import { obtainTokens, type Microsoft365Call } from './sign-in.ts';

/** No message has it: asking for it does nothing, and still tells whether one may. */
const NO_ITEM = 'AAMkAGVtcHR5AAA=';
const NOBODY = '00000000-0000-0000-0000-000000000000';

/**
 * Tries the sign-in, each folder, and each permission by a request that changes nothing: one that is granted answers
 * that there is no such item, one that is missing answers 403.
 */
export async function validate(call: Microsoft365Call): Promise<ValidationReport> {
  const warnings = [...(manifest.warnings?.(call.settings) ?? [])];
  try {
    await call.tokens.access((kept) => obtainTokens(call, kept));
    const graph = new Graph(call);
    const problems = await tryMailbox(graph);
    if (problems.length === 0) warnings.push(...(await tryOthers(graph)));
    return { ok: problems.length === 0, problems, warnings };
  } catch (error) {
    if (!(error instanceof ProviderFailure)) throw error;
    return { ok: false, problems: [problemOf(error)], warnings };
  }
}

/** Without these no mail channel works. */
async function tryMailbox(graph: Graph): Promise<ValidationProblem[]> {
  const { mailbox } = graph;
  const problems: ValidationProblem[] = [];
  for (const folder of foldersOf(graph.call.settings)) {
    const problem = await problemWith(async () => {
      const path = `${await folderPath(graph, folder)}/messages?$top=1&$select=id`;
      await graph.ask({ method: 'GET', path, permission: 'Mail.Read' });
    });
    if (problem && !problems.some(({ detail }) => detail === problem.detail))
      problems.push(problem);
  }
  for (const request of [
    {
      method: 'PATCH',
      path: `${mailbox}/messages/${NO_ITEM}`,
      body: { isRead: true },
      permission: 'Mail.ReadWrite',
    },
    { method: 'POST', path: `${mailbox}/messages/${NO_ITEM}/send`, permission: 'Mail.Send' },
  ] as const) {
    if (problems.some(({ step }) => step !== 'permission' && step !== 'folder')) break;
    const problem = await problemWith(() => tried(graph, request));
    if (problem) problems.push(problem);
  }
  return problems;
}

/** What other features need: a mail channel works without. */
async function tryOthers(graph: Graph): Promise<string[]> {
  const requests: readonly GraphRequest[] = [
    {
      method: 'POST',
      path: '/chats',
      body: { chatType: 'oneOnOne', members: [] },
      permission: 'Chat.Create',
    },
    {
      method: 'DELETE',
      path: `/chats/${NOBODY}/members/${NO_ITEM}`,
      permission: 'ChatMember.ReadWrite',
    },
    { method: 'GET', path: '/users?$top=1&$select=id', permission: 'User.Read.All' },
  ];
  const warnings: string[] = [];
  for (const request of requests) {
    const problem = await problemWith(() => tried(graph, request));
    if (problem?.step === 'permission')
      warnings.push(
        `The permission ${request.permission} is missing: mail works without it, Teams features don’t.`,
      );
    else if (problem)
      warnings.push(
        `Whether the permission ${request.permission} is there could not be tried: ${problem.detail}`,
      );
  }
  return warnings;
}

/** Any answer but a refusal to do it at all says that one may. */
async function tried(graph: Graph, request: GraphRequest): Promise<void> {
  try {
    await graph.ask({ ...request, repeatable: true });
  } catch (error) {
    const isAllowed =
      error instanceof ProviderFailure &&
      error.class === 'give_up' &&
      error.status !== undefined &&
      error.status < 500;
    if (!isAllowed) throw error;
  }
}

async function problemWith(trial: () => Promise<void>): Promise<ValidationProblem | null> {
  try {
    await trial();
    return null;
  } catch (error) {
    if (error instanceof ProviderFailure) return problemOf(error);
    throw error;
  }
}

const PLACE: Places = {
  ...connectionPlaces('/settings/base_url'),
  connection_lost: { step: 'port', pointer: '/settings/base_url' },
  no_answer: { step: 'port', pointer: '/settings/base_url' },
  app_missing: { step: 'settings', pointer: '/settings/client_id' },
  client_unknown: { step: 'login', pointer: '/settings/client_id' },
  client_secret_refused: { step: 'login', pointer: '/settings/client_secret' },
  tenant_unknown: { step: 'login', pointer: '/settings/tenant_id' },
  permission_missing: { step: 'permission' },
  mailbox_missing: { step: 'settings', pointer: '/settings/mailbox' },
  folder_missing: { step: 'folder', pointer: '/settings/folder' },
  not_found: { step: 'folder', pointer: '/settings/folder' },
};

function problemOf({ code, message }: ProviderFailure): ValidationProblem {
  return { ...(PLACE[code.replace(/^microsoft365\./, '')] ?? { step: 'login' }), detail: message };
}
