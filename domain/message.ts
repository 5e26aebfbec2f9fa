import { z } from 'zod';
import { ConversationState } from './conversation-state.ts';

// The normalized message: what every channel's parser produces and what the API shows.
// Keys are snake_case, times RFC 3339 in UTC, message ids without brackets.

export const MessageChannel = z
  .enum([
    'imap',
    'pop3',
    'gmail',
    'microsoft365',
    'smtp',
    'mime',
    'sendgrid',
    'mailgun',
    'ses',
    'postmark',
    'whatsapp',
    'messenger',
    'sms',
  ])
  .meta({ id: 'MessageChannel', description: 'The provider of the channel the message came by.' });
export type MessageChannel = z.infer<typeof MessageChannel>;

export const Direction = z
  .enum(['inbound', 'outbound', 'internal'])
  .meta({ id: 'Direction', description: '`internal` is a note that no customer sees.' });
export type Direction = z.infer<typeof Direction>;

export const MessageKind = z
  .enum([
    'message',
    'note',
    'auto_reply',
    'bounce',
    'delivery_report',
    'feedback_report',
    'calendar',
    'notification',
  ])
  .meta({ id: 'MessageKind', description: 'What the message is; a person wrote a `message`.' });
export type MessageKind = z.infer<typeof MessageKind>;

export const MessageStatus = z
  .enum([
    'received',
    'queued',
    'accepted',
    'sent',
    'delivered',
    'read',
    'failed',
    'bounced',
    'complained',
    'uncertain',
  ])
  .meta({
    id: 'MessageStatus',
    description: '`uncertain`: it may have left, and nothing can be asked whether it did.',
  });
export type MessageStatus = z.infer<typeof MessageStatus>;

export const MessagePriority = z
  .enum(['low', 'normal', 'high'])
  .meta({ id: 'MessagePriority', description: "The sender's mark: X-Priority or Importance." });
export type MessagePriority = z.infer<typeof MessagePriority>;

export const MailAddress = z
  .object({
    name: z.string().meta({ description: 'Display name, empty where none was given.' }),
    address: z.string().meta({ description: 'Address; its domain in lower case.' }),
  })
  .meta({
    id: 'MailAddress',
    description: 'A person at an address, number or page-scoped id.',
    examples: [{ name: 'Ada', address: 'ada@example.com' }],
  });
export type MailAddress = z.infer<typeof MailAddress>;

export const NormalizedAttachment = z
  .object({
    filename: z.string().meta({ description: 'Safe file name, unique within the message.' }),
    content_type: z.string().meta({ examples: ['application/pdf'] }),
    size: z.int().min(0).meta({ description: 'Decoded size in bytes.' }),
    sha256: z.string().meta({ description: 'Hex SHA-256 of the decoded bytes.' }),
    inline: z.boolean().meta({ description: 'Shown in place: the HTML refers to its content id.' }),
    content_id: z.string().nullable().meta({ description: 'Content-ID without brackets.' }),
  })
  .meta({ id: 'NormalizedAttachment' });
export type NormalizedAttachment = z.infer<typeof NormalizedAttachment>;

export const MessageAttachment = z
  .object({
    id: z.string().meta({ examples: ['att_01JD0000000000000000000000'] }),
    ...NormalizedAttachment.shape,
  })
  .meta({ id: 'MessageAttachment' });
export type MessageAttachment = z.infer<typeof MessageAttachment>;

export const AuthenticationVerdict = z
  .enum(['pass', 'fail', 'softfail', 'neutral', 'none', 'policy', 'temperror', 'permerror'])
  .meta({ id: 'AuthenticationVerdict', description: 'Result keywords of RFC 8601.' });
export type AuthenticationVerdict = z.infer<typeof AuthenticationVerdict>;

export const MessageAuthentication = z
  .object({
    spf: AuthenticationVerdict,
    dkim: AuthenticationVerdict,
    dmarc: AuthenticationVerdict,
  })
  .meta({
    id: 'MessageAuthentication',
    description: "What the channel's own mail server found (RFC 8601).",
    examples: [{ spf: 'pass', dkim: 'pass', dmarc: 'pass' }],
  });
export type MessageAuthentication = z.infer<typeof MessageAuthentication>;

export const BounceAction = z
  .enum(['failed', 'delayed', 'delivered', 'relayed', 'expanded'])
  .meta({ id: 'BounceAction', description: 'Action field of RFC 3464.' });
export type BounceAction = z.infer<typeof BounceAction>;

export const BounceRecipient = z
  .object({
    address: z.string(),
    action: BounceAction,
    status: z
      .string()
      .nullable()
      .meta({ description: 'Enhanced status code (RFC 3463).', examples: ['5.1.1'] }),
    smtp_code: z
      .int()
      .nullable()
      .meta({ description: 'Three-digit SMTP reply code, where one was reported.' }),
    permanent: z.boolean().meta({ description: 'The address is undeliverable for good.' }),
    diagnostic: z.string().nullable().meta({ description: "The remote server's own words." }),
  })
  .meta({ id: 'BounceRecipient' });
export type BounceRecipient = z.infer<typeof BounceRecipient>;

export const MessageBounce = z
  .object({
    recipients: z.array(BounceRecipient),
    original_message_id: z
      .string()
      .nullable()
      .meta({ description: 'Message id of the mail that bounced, where the report names it.' }),
  })
  .meta({ id: 'MessageBounce', description: 'Delivery status notification (RFC 3464).' });
export type MessageBounce = z.infer<typeof MessageBounce>;

const serviceValues = z.record(z.string(), z.unknown());

const bodyShape = {
  channel: MessageChannel,
  direction: Direction,
  kind: MessageKind,
  status: MessageStatus,
  priority: MessagePriority,
  from: z
    .string()
    .nullable()
    .meta({ description: 'Address, E.164 number or page-scoped id; null where none is readable.' }),
  sender: MailAddress.nullable(),
  reply_to: z.array(MailAddress),
  to: z.array(MailAddress),
  cc: z.array(MailAddress),
  bcc: z.array(MailAddress),
  subject: z.string().nullable(),
  content: z.string().meta({ description: 'Plain text, whole.' }),
  new_content: z.string().meta({ description: 'What this message adds: without quotes.' }),
  quoted_content: z
    .string()
    .nullable()
    .meta({ description: 'Quoted text and signature, folded away, never deleted.' }),
  html: z.string().nullable().meta({ description: 'Sanitised HTML.' }),
  timestamp: z.iso.datetime().meta({ description: "The sender's or the provider's time." }),
  received_at: z.iso.datetime().meta({ description: 'When it reached us.' }),
  message_id: z
    .string()
    .nullable()
    .meta({ examples: ['id@host'] }),
  in_reply_to: z.array(z.string()),
  references: z.array(z.string()).meta({ description: 'As in the mail: oldest first.' }),
  authentication: MessageAuthentication.optional(),
  bounce: MessageBounce.optional(),
};

/** What a parser produces: the message of the API without the ids that storing it gives. */
export const NormalizedMessage = z
  .object({
    ...bodyShape,
    attachments: z.array(NormalizedAttachment),
    metadata: z.object({
      service_specific_data: serviceValues,
      platform_specific: serviceValues,
    }),
  })
  .meta({ id: 'NormalizedMessage', description: 'A message before it is stored.' });
export type NormalizedMessage = z.infer<typeof NormalizedMessage>;

const QuotedMessage = z
  .object({
    id: z.string(),
    direction: Direction,
    sender: MailAddress.nullable(),
    timestamp: z.iso.datetime(),
    content: z.string().meta({ description: 'Its beginning: at most 300 characters.' }),
    attachments: z.array(MessageAttachment),
  })
  .meta({ id: 'QuotedMessage' });

/** A message as the API shows it. */
export const Message = z
  .object({
    id: z.string().meta({ examples: ['msg_01JD0000000000000000000000'] }),
    source_id: z
      .string()
      .nullable()
      .meta({ description: 'The receipt it came by; null for what was written here.' }),
    ticket_id: z.string().nullable(),
    provider_message_id: z
      .string()
      .nullable()
      .meta({ description: "The channel's own id: Gmail id, Graph id, UID, wamid, mid." }),
    account_id: z.string().meta({ description: 'The channel.', examples: ['chn_01JD…'] }),
    account_name: z.string().meta({ examples: ['Support'] }),
    thread_id: z.string().nullable(),
    ...bodyShape,
    error: z.object({ code: z.string(), detail: z.string() }).optional().meta({
      description:
        'Of what was sent: why it failed, in the vendor’s words where there are some, or what is conspicuous.',
    }),
    conversation: ConversationState.nullable().optional().meta({
      description: 'By itself and in lists: of a chat, what may be said now.',
    }),
    quoted: QuotedMessage.nullable().optional().meta({
      description:
        'By itself and in lists: the message of the same conversation that a chat’s message quotes; null where it quotes none that is here.',
    }),
    attachments: z.array(MessageAttachment),
    metadata: z
      .object({
        service_specific_data: serviceValues,
        config_id: z.string().meta({ description: 'The channel.' }),
        platform_specific: serviceValues,
      })
      .meta({ description: 'What only this kind of channel knows.' }),
  })
  .meta({ id: 'Message', description: 'One message of a conversation, whatever its channel.' });
export type Message = z.infer<typeof Message>;
