import { verify } from 'node:crypto';
import { z } from 'zod';
import { readJson, refuseStale } from '../cloud-mail.ts';
import { DoorRefusal, type DoorRequest } from '../contract.ts';
import type { SesCall } from './client.ts';
import { signingKey } from './signing-certificate.ts';

/** SNS tries a call again for an hour at most (https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html). */
const MOST_AGE_MS = 75 * 60_000;

const signed = {
  MessageId: z.string(),
  TopicArn: z.string(),
  Message: z.string(),
  Timestamp: z.iso.datetime(),
  SignatureVersion: z.enum(['1', '2']),
  Signature: z.base64(),
  SigningCertURL: z.string(),
};

/** https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html */
export const SnsMessage = z.discriminatedUnion('Type', [
  z.object({ Type: z.literal('Notification'), ...signed, Subject: z.string().nullish() }),
  z.object({
    Type: z.literal('SubscriptionConfirmation'),
    ...signed,
    Token: z.string(),
    SubscribeURL: z.string(),
  }),
  z.object({
    Type: z.literal('UnsubscribeConfirmation'),
    ...signed,
    Token: z.string(),
    SubscribeURL: z.string(),
  }),
]);
export type SnsMessage = z.infer<typeof SnsMessage>;

export const readSnsMessage = (request: DoorRequest): SnsMessage =>
  readJson('ses', request.body.toString(), SnsMessage);

/**
 * Holds a message against its signature, its topic and its time
 * (https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html).
 * @throws DoorRefusal; ProviderFailure where SNS's certificate can't be had now
 */
export async function verifySnsMessage(request: DoorRequest, call: SesCall): Promise<void> {
  const message = signedMessage(request);
  const { topic_arn: topic, event_topic_arn: eventTopic } = call.settings;
  if (message.TopicArn !== topic && message.TopicArn !== eventTopic)
    throw new DoorRefusal(403, 'ses.other_topic', 'The message is of a topic that is not set.');
  const key = await signingKey(call, message.SigningCertURL, message.TopicArn);
  const hash = message.SignatureVersion === '1' ? 'sha1' : 'sha256';
  const signature = Buffer.from(message.Signature, 'base64');
  if (!verify(hash, Buffer.from(stringToSign(message)), key, signature))
    throw new DoorRefusal(401, 'ses.bad_signature', 'The signature is not SNS’s.');
  refuseStale('ses', new Date(message.Timestamp), request, MOST_AGE_MS);
}

function signedMessage(request: DoorRequest): SnsMessage {
  try {
    return readSnsMessage(request);
  } catch (error) {
    if (!(error instanceof DoorRefusal)) throw error;
    throw new DoorRefusal(401, 'ses.unsigned', `It is no signed message of SNS. ${error.message}`);
  }
}

/** Names and values of what is signed, one a line, in the order of their names. */
export function stringToSign(message: SnsMessage): string {
  const { Message, MessageId, Timestamp, TopicArn, Type } = message;
  const values =
    message.Type === 'Notification'
      ? { Message, MessageId, Subject: message.Subject, Timestamp, TopicArn, Type }
      : {
          Message,
          MessageId,
          SubscribeURL: message.SubscribeURL,
          Timestamp,
          Token: message.Token,
          TopicArn,
          Type,
        };
  return Object.entries(values)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${name}\n${value}\n`)
    .join('');
}
