import { failure } from './failure.ts';
import type { Graph } from './client.ts';

/** https://learn.microsoft.com/graph/api/resources/mailfolder#properties */
const WELL_KNOWN =
  /^(inbox|archive|junkemail|deleteditems|clutter|conversationhistory|msgfolderroot|recoverableitemsdeletions|searchfolders|serverfailures|syncissues)$/i;
/** Ids are long and have no blanks; names that are both don't occur. */
const ID = /^[\w=-]{60,}$/;
const MOST = 250;

interface Folder {
  readonly id: string;
  readonly displayName: string;
}

/** Path of a folder that the settings name: a known name, an id, a name or `Parent/Child`. @throws ProviderFailure */
export async function folderPath(graph: Graph, name: string): Promise<string> {
  return `${graph.mailbox}/mailFolders/${encodeURIComponent(await folderId(graph, name))}`;
}

/** The id, or the name that stands for it. @throws ProviderFailure `microsoft365.folder_missing` */
export async function folderId(graph: Graph, name: string): Promise<string> {
  if (WELL_KNOWN.test(name)) return name.toLowerCase();
  if (ID.test(name)) return name;
  let parent: Folder | undefined;
  for (const part of name.split('/')) {
    const among = await children(graph, parent);
    const found = among.find(({ displayName }) => displayName.toLowerCase() === part.toLowerCase());
    if (!found) throw missing(name, among);
    parent = found;
  }
  return parent!.id;
}

async function children(graph: Graph, parent: Folder | undefined): Promise<readonly Folder[]> {
  const below = parent ? `/${encodeURIComponent(parent.id)}/childFolders` : '';
  const { value } = await graph.ask<{ value: Folder[] }>({
    method: 'GET',
    path: `${graph.mailbox}/mailFolders${below}?$top=${MOST}&$select=id,displayName`,
    permission: 'Mail.Read',
  });
  return value;
}

function missing(name: string, among: readonly Folder[]): Error {
  const names = among.slice(0, 15).map(({ displayName }) => `"${displayName}"`);
  return failure(
    'folder_missing',
    'give_up',
    `There is no folder "${name}" in the mailbox. There are: ${names.join(', ') || 'none'}${among.length > 15 ? ' and more' : ''}.`,
  );
}
