import { z } from 'zod';
import { describedByHand } from '../description.ts';

const token = z.looseObject({
  'x-postmark-server-token': z.string().min(1),
  accept: z.string().regex(/application\/json/),
});
const addresses = z
  .string()
  .refine(
    (list) => list.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/).length <= 50,
    'at most 50 addresses',
  );

/** Of Postmark's documentation; it publishes no machine-readable description. */
export const description = describedByHand(
  'https://postmarkapp.com/developer/api/email-api, …/server-api',
  {
    'GET /server': { headers: token },
    'POST /email': {
      headers: token,
      body: z
        .strictObject({
          From: z.string().max(255),
          To: addresses,
          Cc: addresses.optional(),
          Bcc: addresses.optional(),
          Subject: z.string().max(2000).optional(),
          Tag: z.string().max(1000).optional(),
          HtmlBody: z.string().optional(),
          TextBody: z.string().optional(),
          ReplyTo: z.string().optional(),
          Headers: z.array(z.strictObject({ Name: z.string(), Value: z.string() })).optional(),
          TrackOpens: z.boolean().optional(),
          TrackLinks: z.enum(['None', 'HtmlAndText', 'HtmlOnly', 'TextOnly']).optional(),
          Metadata: z.record(z.string().max(20), z.string().max(80)).optional(),
          Attachments: z
            .array(
              z.strictObject({
                Name: z.string().min(1),
                Content: z.base64(),
                ContentType: z.string().min(1),
                ContentID: z.string().optional(),
              }),
            )
            .optional(),
          MessageStream: z.string().optional(),
        })
        .refine((mail) => mail.HtmlBody ?? mail.TextBody, 'HtmlBody or TextBody is wanted'),
    },
  },
);
