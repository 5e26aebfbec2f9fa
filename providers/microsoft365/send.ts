import { setTimeout as sleep } from 'node:timers/promises';
import { ProviderFailure } from '../../domain/failure.ts';
import type { OutgoingMessage, SendReceipt } from '../contract.ts';
import { Graph } from './client.ts';
import { messagesWithId, wholeDraft } from './draft.ts';
import type { Microsoft365Call } from './sign-in.ts';

/** A mail that was sent shows up in Sent Items a moment later. */
const LOOKS = 3;
const LOOK_AGAIN_MS = 1500;

/**
 * Makes a draft and sends it (https://learn.microsoft.com/graph/api/message-send): a draft can be sent once, so a
 * retry never doubles. What an earlier attempt left is found again by our Message-ID. @throws ProviderFailure
 */
export async function send(
  call: Microsoft365Call,
  message: OutgoingMessage,
  transmitting: () => Promise<void>,
): Promise<SendReceipt> {
  const graph = new Graph(call);
  const known = await messagesWithId(graph, message.messageId);
  const sent = known.find(({ isDraft }) => !isDraft);
  if (sent) return { providerMessageId: sent.id, response: 'found among the mails sent' };
  const { id, messageId } = await wholeDraft(graph, message, known);
  call.signal.throwIfAborted();
  await transmitting();
  await sendDraft(graph, id);
  return {
    providerMessageId: id,
    response: '202 Accepted',
    ...(messageId !== message.messageId && { messageId }),
  };
}

async function sendDraft(graph: Graph, id: string): Promise<void> {
  const path = `${graph.mailbox}/messages/${encodeURIComponent(id)}/send`;
  try {
    await graph.ask({ method: 'POST', path, permission: 'Mail.Send' });
  } catch (error) {
    if (!(error instanceof ProviderFailure) || !isUnclear(error)) throw error;
    const { code, message, status } = error;
    throw new ProviderFailure(
      { code, class: 'retry', message, status, uncertain: true },
      { cause: error },
    );
  }
}

/** No answer, or one that doesn't say what was done. */
function isUnclear({ class: kind, status }: ProviderFailure): boolean {
  return kind === 'retry' && (status === undefined || status >= 500);
}

/**
 * Whether a mail of ours went out: a draft did not, a message that is none did. Null where there is neither, so that
 * nobody knows. @throws ProviderFailure
 */
export async function findSent(call: Microsoft365Call, messageId: string): Promise<boolean | null> {
  const graph = new Graph(call);
  for (let look = 1; ; look += 1) {
    const found = await messagesWithId(graph, messageId);
    if (found.some(({ isDraft }) => !isDraft)) return true;
    if (found.length > 0) return false;
    if (look === LOOKS) return null;
    await sleep(LOOK_AGAIN_MS, undefined, { signal: call.signal });
  }
}
