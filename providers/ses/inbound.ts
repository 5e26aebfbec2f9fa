import { z } from 'zod';
import { unreadable } from '../cloud-mail.ts';
import type { DoorReceipt } from '../contract.ts';
import { ask } from '../vendor-http.ts';
import { endpoint, sesVendor, signedRequest, type SesCall } from './client.ts';
import { awsFailure } from './failure.ts';

const MOST_BYTES = 100 * 1024 * 1024;
const Verdict = z
  .object({ status: z.string() })
  .nullish()
  .transform((verdict) => verdict?.status ?? null);

/** https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-contents.html */
export const Received = z.object({
  notificationType: z.literal('Received'),
  mail: z.object({ messageId: z.string().min(1), source: z.string().nullish() }),
  receipt: z.object({
    recipients: z.array(z.string()),
    spfVerdict: Verdict,
    dkimVerdict: Verdict,
    dmarcVerdict: Verdict,
    spamVerdict: Verdict,
    virusVerdict: Verdict,
    action: z.looseObject({
      type: z.string(),
      encoding: z.string().optional(),
      bucketName: z.string().optional(),
      objectKey: z.string().optional(),
    }),
  }),
  /** Where the action is SNS: the mail itself. */
  content: z.string().optional(),
});
export type Received = z.infer<typeof Received>;

/** The mail that a notification carries, or says where it lies. Null where an action of another kind was taken. */
export async function sourceOf(
  call: SesCall,
  received: Received,
): Promise<DoorReceipt['sources'][number] | null> {
  const { mail, receipt } = received;
  const source = await contentOf(call, received);
  if (source === null) return null;
  return {
    source,
    providerMessageId: mail.messageId,
    // The null sender is told by no address at all.
    envelope: { from: mail.source ?? '', to: receipt.recipients },
    meta: {
      spf: receipt.spfVerdict,
      dkim: receipt.dkimVerdict,
      dmarc: receipt.dmarcVerdict,
      spam: receipt.spamVerdict,
      virus: receipt.virusVerdict,
    },
  };
}

async function contentOf(call: SesCall, { content, receipt }: Received): Promise<Buffer | null> {
  const { action } = receipt;
  if (content !== undefined)
    return Buffer.from(content, isBase64(action.encoding) ? 'base64' : 'utf8');
  if (action.type !== 'S3') return null;
  if (action.bucketName === undefined || action.objectKey === undefined)
    throw unreadable('ses', 'it names no object in S3');
  return fetchObject(call, action.bucketName, action.objectKey);
}

const isBase64 = (encoding: string | undefined): boolean => /^base64$/i.test(encoding ?? '');

/** @throws ProviderFailure: the call is to be made again later */
async function fetchObject(call: SesCall, bucket: string, key: string): Promise<Buffer> {
  const path = [bucket, ...key.split('/')].map(encodeURIComponent).join('/');
  const request = await signedRequest(call.settings, {
    service: 's3',
    method: 'GET',
    url: `${endpoint(call.settings, 's3')}/${path}`,
  });
  const answer = await ask(call, sesVendor, { ...request, maxBytes: MOST_BYTES });
  if (answer.status !== 200) throw await awsFailure(call, answer);
  return answer.body;
}
