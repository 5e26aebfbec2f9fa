import { z } from 'zod';
import { describedByHand } from '../description.ts';

const signed = z.looseObject({
  authorization: z.string().regex(/^AWS4-HMAC-SHA256 /),
  'x-amz-date': z.string().regex(/^\d{8}T\d{6}Z$/),
});
const addresses = z.array(z.string()).max(50).optional();

/** Of Amazon's documentation: SES API version 2, S3 GetObject, SNS. */
export const description = describedByHand(
  'https://docs.aws.amazon.com/ses/latest/APIReference-V2/, https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html',
  {
    'GET /': {
      query: z.strictObject({
        Action: z.literal('ConfirmSubscription'),
        TopicArn: z.string(),
        Token: z.string(),
      }),
    },
    'GET /v2/email/account': { headers: signed },
    'POST /v2/email/outbound-emails': {
      headers: signed,
      body: z.strictObject({
        FromEmailAddress: z.string().optional(),
        Destination: z
          .strictObject({ ToAddresses: addresses, CcAddresses: addresses, BccAddresses: addresses })
          .optional(),
        Content: z.strictObject({ Raw: z.strictObject({ Data: z.base64().min(1) }) }),
        ConfigurationSetName: z.string().optional(),
        EmailTags: z.array(z.strictObject({ Name: z.string(), Value: z.string() })).optional(),
      }),
    },
    'GET /{certificate}': {},
    'GET /{bucket}/{key}': { headers: signed },
    'GET /{bucket}/{prefix}/{key}': { headers: signed },
  },
);
