import { MockActivityEnvironment } from '@temporalio/testing';
import { createSendingActivities } from '../../../activities/sending.ts';
import { inTenant } from '../../../db/connection.ts';
import { insertWritten } from '../../../db/queries/outgoing.ts';
import { newId, type MessageId } from '../../../domain/ids.ts';
import type { MailAddress } from '../../../domain/message.ts';
import { writtenMessage } from '../../../domain/reply.ts';
import type { ChannelProvider } from '../../../providers/contract.ts';
import { manifest } from '../../../providers/smtp/manifest.ts';
import type { Seed } from '../../workflow/ticket-seed.ts';
import type { TestApi } from '../api-fixture.ts';

export interface Sent {
  readonly id: MessageId;
  readonly ticketId: string;
  readonly messageId: string;
  readonly providerId: string;
}

export interface Answer {
  readonly ticketId: string;
  readonly from?: string;
  readonly to: MailAddress;
  readonly cc?: readonly MailAddress[];
  /** Runs before its vendor's receipt is written. */
  readonly meanwhile?: (sent: Sent) => Promise<void>;
}

/** An answer, handed over by the real sending to a vendor that takes it. */
export async function sendAnswer(
  api: TestApi,
  { tenantId, accountId }: Seed,
  { ticketId, from = 'help@acme.test', to, cc = [], meanwhile = async () => {} }: Answer,
): Promise<Sent> {
  const now = new Date();
  const id = newId('message');
  const sent = { id, ticketId, messageId: `${id}@acme.test`, providerId: `vendor-${id}` };
  const body = writtenMessage({
    provider: 'smtp',
    direction: 'outbound',
    kind: 'message',
    status: 'queued',
    sender: { name: 'Support', address: from },
    to: [to],
    cc: [...cc],
    subject: 'Re: Printer on fire',
    text: 'An answer.',
    html: null,
    messageId: sent.messageId,
    answered: null,
    now,
  });
  await inTenant(api.db, tenantId, (tx) =>
    insertWritten(tx, {
      id,
      tenantId,
      ticketId,
      channelId: accountId,
      authorId: null,
      body,
      now,
      sendBy: new Date(now.getTime() + 3_600_000),
    }),
  );
  const provider = {
    manifest,
    sender: {
      async send(_call: unknown, _message: unknown, transmitting: () => Promise<void>) {
        await transmitting();
        await meanwhile(sent);
        return { providerMessageId: sent.providerId };
      },
    },
  } as unknown as ChannelProvider; // as the registry registers its own
  const activities = createSendingActivities(api.deps, { findProvider: () => provider });
  await new MockActivityEnvironment().run(() =>
    activities.sendMessage({ tenantId, ticketId, messageId: id }),
  );
  return sent;
}
