import { z } from 'zod';
import { cloudFields } from '../cloud-mail.ts';
import type { ProviderManifest } from '../contract.ts';
import { credentialText } from '../mail-settings.ts';

const TopicArn = z
  .string()
  .regex(
    /^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}$/,
    'wants the ARN of an SNS topic',
  );

export const SesSettings = z
  .strictObject({
    topic_arn: TopicArn.meta({
      description: 'SNS topic of the receipt rule, and of deliveries, bounces and complaints.',
      examples: ['arn:aws:sns:eu-west-1:123456789012:support-mail'],
    }),
    event_topic_arn: TopicArn.optional().meta({
      description: 'SNS topic of deliveries, bounces and complaints, where it is another one.',
    }),
    region: z
      .string()
      .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'wants a region such as eu-west-1')
      .meta({ description: 'Region of SES, of the topics and of the bucket.' }),
    access_key_id: credentialText.optional().meta({
      description: 'Key for sending and for mail that is kept in S3.',
    }),
    secret_access_key: credentialText.optional(),
    configuration_set: z
      .string()
      .regex(/^[\w-]{1,64}$/)
      .optional()
      .meta({ description: 'Configuration set that answers are sent under.' }),
    ...cloudFields,
  })
  .refine(
    (settings) =>
      (settings.access_key_id === undefined) === (settings.secret_access_key === undefined),
    {
      path: ['secret_access_key'],
      error: 'access_key_id and secret_access_key are wanted together',
    },
  )
  .meta({ id: 'SesSettings' });
export type SesSettings = z.infer<typeof SesSettings>;

export const manifest: ProviderManifest<SesSettings> = {
  name: 'ses',
  title: 'Amazon SES',
  settings: SesSettings,
  secrets: ['access_key_id', 'secret_access_key'],
  environment: {
    SES_TOPIC_ARN: 'topic_arn',
    SES_EVENT_TOPIC_ARN: 'event_topic_arn',
    SES_REGION: 'region',
    SES_ACCESS_KEY_ID: 'access_key_id',
    SES_SECRET_ACCESS_KEY: 'secret_access_key',
    SES_CONFIGURATION_SET: 'configuration_set',
  },
  warnings: ({ access_key_id: key }) =>
    key === undefined
      ? [
          'No "access_key_id" is set: mail that SNS carries comes in, but answers can’t be sent and mail in S3 can’t be fetched.',
        ]
      : [],
  source: 'mime',
};
