import type { Microsoft365Settings } from './manifest.ts';

/** National clouds: https://learn.microsoft.com/graph/deployments */
const GRAPH = 'https://graph.microsoft.com';
const LOGIN = 'https://login.microsoftonline.com';
const LOGIN_OF: Readonly<Record<string, string>> = {
  [GRAPH]: LOGIN,
  'https://graph.microsoft.us': 'https://login.microsoftonline.us',
  'https://dod-graph.microsoft.us': 'https://login.microsoftonline.us',
  'https://microsoftgraph.chinacloudapi.cn': 'https://login.chinacloudapi.cn',
};

export interface Cloud {
  /** Without `/v1.0` and without a slash at the end. */
  readonly graph: string;
  readonly login: string;
  /** What scopes begin with: the cloud's own Graph, whatever stands between us and it. */
  readonly resource: string;
}

/** Where Graph and its sign-in are. A host that is no cloud of Microsoft's is asked for both. */
export function cloudOf({ base_url, login_base_url }: Microsoft365Settings): Cloud {
  const graph = trimmed(base_url ?? GRAPH).replace(/\/v1\.0$/, '');
  return {
    graph,
    login: trimmed(login_base_url ?? LOGIN_OF[graph] ?? graph),
    resource: graph in LOGIN_OF ? graph : GRAPH,
  };
}

/** `/users/{mailbox}` where one is named, else `/me`. */
export function mailboxPath({ mailbox }: Microsoft365Settings): string {
  return mailbox === undefined ? '/me' : `/users/${encodeURIComponent(mailbox)}`;
}

function trimmed(url: string): string {
  return url.replace(/\/+$/, '');
}
