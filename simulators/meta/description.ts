import { z } from 'zod';
import { describedBy, describedByHand } from '../description.ts';
import type { RequestDescription } from '../server.ts';
import type { World } from './world.ts';

const recipient = z.strictObject({ id: z.string().regex(/^\d+$/) });
const attachment = z.strictObject({
  type: z.enum(['image', 'audio', 'video', 'file', 'template']),
  payload: z
    .looseObject({
      url: z.url().optional(),
      attachment_id: z.string().optional(),
      is_reusable: z.boolean().optional(),
    })
    .optional(),
});
const quickReply = z.strictObject({
  content_type: z.enum(['text', 'user_phone_number', 'user_email']),
  title: z.string().max(20).optional(),
  payload: z.string().max(1000).optional(),
  image_url: z.url().optional(),
});
const message = z.strictObject({
  text: z.string().optional(),
  attachment: attachment.optional(),
  attachments: z.array(attachment).max(30).optional(),
  quick_replies: z.array(quickReply).max(13).optional(),
  metadata: z.string().max(1000).optional(),
  template: z
    .strictObject({
      name: z.string(),
      language: z.strictObject({ code: z.string() }),
      components: z
        .array(
          z.strictObject({
            type: z.string().regex(/^(header|body|title|buttons)$/i),
            parameters: z.array(z.looseObject({ type: z.string() })),
          }),
        )
        .optional(),
    })
    .optional(),
});
/** A form has JSON in its fields. */
const orJson = <T extends z.ZodType>(schema: T) =>
  z.preprocess(
    (value) => (typeof value === 'string' ? (JSON.parse(value) as unknown) : value),
    schema,
  );

const proof = { appsecret_proof: z.string().optional(), access_token: z.string().optional() };
const plain = z.strictObject(proof);
const withFields = z.strictObject({ ...proof, fields: z.string().optional() });
const subscription = z.strictObject({
  subscribed_fields: z.union([z.string(), z.array(z.string())]).optional(),
});

const messenger = describedByHand(
  'https://developers.facebook.com/docs/messenger-platform/reference/send-api, …/attachment-upload-api, …/identity/user-profile, …/graph-api/reference/page/subscribed_apps',
  {
    'POST /{version}/{node}/messages': {
      query: plain,
      body: z
        .strictObject({
          recipient: orJson(recipient),
          messaging_type: z.enum(['RESPONSE', 'UPDATE', 'MESSAGE_TAG', 'UTILITY']).optional(),
          tag: z.string().optional(),
          message: orJson(message).optional(),
          sender_action: z
            .enum(['typing_on', 'typing_off', 'mark_seen', 'react', 'unreact'])
            .optional(),
          payload: z.unknown().optional(),
          reply_to: orJson(z.strictObject({ mid: z.string() })).optional(),
          notification_type: z.enum(['REGULAR', 'SILENT_PUSH', 'NO_PUSH']).optional(),
          filedata: z.unknown().optional(),
        })
        .refine((body) => body.message ?? body.sender_action, 'message or sender_action is wanted')
        .refine(
          (body) => (body.messaging_type === 'MESSAGE_TAG') === (body.tag !== undefined),
          'a tag goes with messaging_type MESSAGE_TAG',
        ),
    },
    'POST /{version}/{node}/message_attachments': {
      query: plain,
      body: z.strictObject({
        message: orJson(z.strictObject({ attachment })),
        platform: z.string().optional(),
        filedata: z.unknown().optional(),
      }),
    },
    'GET /{version}/{node}/subscribed_apps': { query: withFields },
    'POST /{version}/{node}/subscribed_apps': {
      query: z.strictObject({ ...proof, ...subscription.shape }),
      body: z.union([subscription, z.instanceof(Buffer)]),
    },
    'DELETE /{version}/{node}/subscribed_apps': { query: plain },
    'GET /{version}/{node}/message_templates': {
      query: z.strictObject({
        ...withFields.shape,
        limit: z.string().optional(),
        after: z.string().optional(),
        status: z.string().optional(),
        language: z.string().optional(),
        name: z.string().optional(),
      }),
    },
    'GET /{version}/{node}/messenger_profile': { query: withFields },
    'GET /{version}/{node}': { query: withFields },
  },
);

/** Query parameters that every Graph call takes, or that a list has beside those that are described. */
const EVERYWHERE =
  /^(access_token|appsecret_proof|fields|limit|after|before|status|language|phone_number_id)$/;

/** WhatsApp's calls by Meta's own description, the page's and its people's by Meta's pages. */
export function metaDescription(world: World): RequestDescription {
  const whatsapp = describedBy(['whatsapp-cloud.json'], {
    everywhere: EVERYWHERE,
    mend: mendWhatsApp,
  });
  return {
    source: [whatsapp?.source, messenger.source].filter(Boolean).join('; '),
    problem(request) {
      const [, version, node = ''] = request.path.split('/');
      if (!/^v\d+\.\d+$/.test(version ?? '')) return null; // a file's link
      // The pattern that is described for it is one client's own; Meta takes any.
      const { 'user-agent': _agent, ...headers } = request.headers;
      const isOfWhatsApp =
        world.numbers.has(node) || world.accounts.has(node) || isWhatsAppMedia(world, node);
      if (!isOfWhatsApp) return messenger.problem(request);
      return whatsapp?.problem({ ...request, headers }) ?? null;
    },
  };
}

function isWhatsAppMedia({ media, numbers }: World, id: string): boolean {
  return numbers.has(media.all.get(id)?.owner ?? '');
}

interface Schema {
  allOf?: Schema[];
  oneOf?: Schema[];
  required?: string[];
  additionalProperties?: boolean;
  unevaluatedProperties?: boolean;
  properties?: Record<string, Schema | undefined>;
  [keyword: string]: unknown;
}

/** Where the description contradicts its own examples, or Meta's pages know more. */
function mendWhatsApp(document: unknown): void {
  const { schemas } = (document as { components: { schemas: Record<string, Schema> } }).components; // the vendor's, known
  for (const schema of Object.values(schemas)) {
    const closed = schema.allOf?.filter(
      ({ additionalProperties }) => additionalProperties === false,
    );
    if (!closed || closed.length === 0) continue;
    // A part that allows nothing else forbids what the other parts ask for; the whole is meant.
    for (const part of closed) delete part.additionalProperties;
    schema.unevaluatedProperties = false;
  }
  const base = schemas['BaseMessageProperties']!;
  // …/whatsapp/messages/send-messages: recipient_type is `individual` by default.
  base.required = base.required?.filter((name) => name !== 'recipient_type');
  base.properties!['biz_opaque_callback_data'] = { type: 'string', maxLength: 512 };
  for (const name of ['ButtonComponent', 'TemplateComponent'])
    for (const part of [schemas[name]!, ...(schemas[name]!.allOf ?? [])])
      if (part.properties?.['index'])
        part.properties['index'] = { type: ['string', 'integer'], pattern: '^[0-9]$' };
  // …/whatsapp/reference/whatsapp-business-phone-number/message-api: the policy has one value, and is the default.
  schemas['LanguageObject']!.required = ['code'];
  const location = schemas['LocationMessage']!.allOf!.find(
    ({ properties }) => properties?.['location'],
  )!;
  for (const degrees of ['latitude', 'longitude'])
    location.properties!['location']!.properties![degrees] = { type: ['string', 'number'] };
  // By the format's own rules a link on loopback is none.
  for (const { properties } of schemas['MediaObject']!.oneOf ?? [])
    if (properties?.['link']) properties['link'] = { type: 'string', format: 'uri' };
  schemas['Message'] = byType(schemas['Message']!);
}

/** Told apart by its type, so that what is wrong is said of the kind that was meant; a read mark has none. */
function byType({ discriminator }: Schema): Schema {
  const { mapping } = discriminator as { mapping: Record<string, string> };
  const kinds = Object.entries(mapping).map(([type, $ref]) => ({
    if: { not: { required: ['type'], properties: { type: { const: type } } } },
    else: { $ref },
  }));
  const mark = {
    if: { required: ['type'] },
    else: {
      required: ['messaging_product', 'status', 'message_id'],
      additionalProperties: false,
      properties: {
        messaging_product: { const: 'whatsapp' },
        status: { const: 'read' },
        message_id: { type: 'string' },
        typing_indicator: { type: 'object' },
      },
    },
  };
  const type = { enum: Object.keys(mapping) };
  return { type: 'object', properties: { type }, allOf: [...kinds, mark] };
}
