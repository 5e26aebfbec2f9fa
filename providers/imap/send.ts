import { ProviderFailure } from '../../domain/failure.ts';
import type { OutgoingMessage, SendReceipt } from '../contract.ts';
import { outgoingServer, submit } from '../submission.ts';
import type { ImapCall } from './client.ts';
import { SentCopy } from './sent-copy.ts';

/** Sends by the outgoing server and keeps a copy in the Sent folder, which `findSent` asks after a crash. */
export async function send(
  call: ImapCall,
  message: OutgoingMessage,
  transmitting: () => Promise<void>,
): Promise<SendReceipt> {
  outgoingServer(call.settings);
  const reserving = SentCopy.reserve(call, message);
  try {
    const receipt = await submit(call, message, async () => {
      await reserving;
      await transmitting();
    });
    await (await reserving)?.confirm();
    return receipt;
  } catch (error) {
    const isUncertain = error instanceof ProviderFailure && error.uncertain === true;
    const copy = await reserving;
    await (isUncertain ? copy?.abandon() : copy?.withdraw());
    throw error;
  }
}
