import { ImapFlow } from 'imapflow';
import type { Dovecot } from '../../harness/index.ts';

/** imapflow runs any command, but its types leave that out. */
interface CommandRunner {
  exec(
    command: string,
    attributes: readonly { type: string; value: string }[],
    options: {
      untagged: Record<string, (line: { attributes?: readonly Listed[] }) => Promise<void>>;
    },
  ): Promise<{ next(): void }>;
}

interface ListItem {
  readonly value?: string;
}
type Listed = ListItem | readonly Listed[];

/**
 * Message-IDs of a folder as the mail server's own threading (THREAD=REFERENCES, RFC 5256) groups them: what any mail
 * client shows that asks its server.
 */
export async function threadsOf(server: Dovecot, folder: string): Promise<string[][]> {
  const [user] = server.users;
  const client = new ImapFlow({
    host: server.host,
    port: server.ports.imap,
    secure: false,
    doSTARTTLS: false,
    auth: { user: user!.username, pass: user!.password },
    logger: false,
  });
  await client.connect();
  try {
    await client.mailboxOpen(folder, { readOnly: true });
    const ids = new Map<string, string>();
    for await (const mail of client.fetch('1:*', { envelope: true }))
      ids.set(String(mail.seq), mail.envelope?.messageId ?? '');
    const groups: string[][] = [];
    const answer = await (client as unknown as CommandRunner).exec(
      'THREAD',
      ['REFERENCES', 'UTF-8', 'ALL'].map((value) => ({ type: 'ATOM', value })),
      {
        untagged: {
          THREAD: async ({ attributes }) => {
            for (const group of attributes ?? []) groups.push(numbersIn(group));
          },
        },
      },
    );
    answer.next();
    return groups.map((numbers) => numbers.map((number) => ids.get(number) ?? ''));
  } finally {
    await client.logout();
  }
}

function numbersIn(listed: Listed): string[] {
  if (isList(listed)) return listed.flatMap(numbersIn);
  return listed.value === undefined ? [] : [listed.value];
}

function isList(listed: Listed): listed is readonly Listed[] {
  return Array.isArray(listed);
}
