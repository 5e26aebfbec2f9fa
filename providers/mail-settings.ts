import { z } from 'zod';

// What every mail channel's settings have in common. Fields optional on input carry their default, so that parsed
// settings are whole; a port left out follows from protocol and security (`portOf`).

export const MailSecurity = z.enum(['tls', 'starttls', 'none']).meta({
  id: 'MailSecurity',
  description:
    '`tls` from the start, `starttls` upgrades and refuses to go on without, `none` is plain.',
});
export type MailSecurity = z.infer<typeof MailSecurity>;

export type MailProtocol = 'imap' | 'pop3' | 'submission';

const PORTS: Record<MailProtocol, Record<MailSecurity, number>> = {
  imap: { tls: 993, starttls: 143, none: 143 },
  pop3: { tls: 995, starttls: 110, none: 110 },
  submission: { tls: 465, starttls: 587, none: 587 },
};

/** The port given, or the usual one (RFC 8314, RFC 6409). */
export function portOf(
  protocol: MailProtocol,
  server: { readonly port?: number; readonly security: MailSecurity },
): number {
  return server.port ?? PORTS[protocol][server.security];
}

/** Where a mail server is and how it is talked to; spread into a provider's settings. */
export const serverFields = {
  host: z
    .string()
    .trim()
    .min(1)
    .max(253)
    .regex(/^[^\s/@]+$/, 'wants a host name or address, without scheme or path')
    .meta({ description: 'Host name or address.', examples: ['mail.example.com'] }),
  port: z.int().min(1).max(65535).optional().meta({
    description:
      'Default by protocol and security: IMAP 993 or 143, POP3 995 or 110, submission 465 or 587.',
  }),
  security: MailSecurity.default('tls'),
  verify_tls: z
    .boolean()
    .default(true)
    .meta({ description: 'False accepts any certificate: anyone on the way could listen in.' }),
  ca: z
    .string()
    .regex(/-----BEGIN CERTIFICATE-----/, 'wants a certificate in PEM form')
    .optional()
    .meta({ description: 'PEM certificates to trust beside the public ones.' }),
};

// Line ends would end a command early: what follows would be read as a command of its own.
const oneLine = (most: number) =>
  z
    .string()
    .max(most)
    .regex(/^[^\r\n\0]*$/, 'wants a single line');

export const credentialText = oneLine(1024).min(1);

/** A folder's name in its own characters; the modified UTF-7 of old servers is the client's business. */
export const FolderName = oneLine(512).min(1);

export const OutgoingServer = z
  .strictObject({
    ...serverFields,
    username: credentialText.optional().meta({ description: 'Left out: no login is tried.' }),
    password: credentialText.optional(),
    oauth: z
      .boolean()
      .optional()
      .meta({ description: 'Log in by the channel’s `oauth` instead of a password.' }),
  })
  .refine(
    ({ username, password, oauth }) =>
      oauth === true
        ? password === undefined
        : (username === undefined) === (password === undefined),
    { path: ['password'], error: 'username and password are wanted together, or oauth alone' },
  )
  .meta({ id: 'OutgoingServer', description: 'Submission server that answers are sent by.' });
export type OutgoingServer = z.infer<typeof OutgoingServer>;

export const trustedServersField = z.array(z.string().min(1).max(253)).max(20).optional().meta({
  description:
    'Names (authserv-id) of the mailbox’s own servers whose Authentication-Results count, because they take off forged ones.',
});

export const aliasesField = z
  .array(z.email())
  .max(100)
  .optional()
  .meta({ description: 'Further addresses under which mail reaches this channel.' });

/** What every mail channel has: other addresses of its own, and a way out. */
export const outgoingFields = {
  aliases: aliasesField,
  trusted_servers: trustedServersField,
  smtp: OutgoingServer.optional(),
};

export const importSinceField = z
  .union([z.literal('now'), z.iso.date(), z.iso.datetime({ offset: true })])
  .default('now')
  .meta({
    description: 'The first import takes mail since then; `now`: since the channel was made.',
  });

export const batchSizeField = z
  .int()
  .min(1)
  .max(1000)
  .default(100)
  .meta({ description: 'Mails read and stored at a time.' });

/** The clockwork of a channel. */
export const clockworkFields = {
  poll_seconds: z
    .int()
    .min(10)
    .max(86_400)
    .default(300)
    .meta({ description: 'How often it is looked at where nothing tells of new mail.' }),
  timeout_seconds: z
    .int()
    .min(1)
    .max(600)
    .default(30)
    .meta({ description: 'How long one request may take.' }),
  max_retries: z
    .int()
    .min(0)
    .max(20)
    .default(3)
    .meta({ description: 'Quick retries before the channel backs off and says why.' }),
};

/** Environment names for the outgoing server: `outgoingEnvironment('IMAP_SMTP')` → IMAP_SMTP_HOST → smtp.host … */
export function outgoingEnvironment(prefix: string): Record<string, string> {
  return Object.fromEntries(
    ['host', 'port', 'security', 'username', 'password'].map((field) => [
      `${prefix}_${field.toUpperCase()}`,
      `smtp.${field}`,
    ]),
  );
}

/** What an admin should know of a server, in plain words; `title` names it: "The IMAP server". */
export function serverWarnings(
  title: string,
  server: {
    readonly security: MailSecurity;
    readonly verify_tls: boolean;
    readonly password?: string;
    readonly oauth?: unknown;
  },
): string[] {
  const warnings: string[] = [];
  const secret = server.oauth ? 'the access token' : 'the password';
  if (server.security === 'none' && (server.oauth || server.password !== undefined))
    warnings.push(
      `${title} is used without TLS: ${secret} and all mail travel in plain. Use security "tls" or "starttls" where the server offers it.`,
    );
  if (server.security !== 'none' && !server.verify_tls)
    warnings.push(
      `${title}'s certificate is not checked: anyone on the way could read the password. Give its certificate in "ca" instead.`,
    );
  return warnings;
}

export function outgoingWarnings(smtp: OutgoingServer | undefined): string[] {
  return smtp
    ? serverWarnings('The outgoing server', smtp)
    : ['No outgoing server ("smtp") is set: mail comes in, but answers can’t be sent.'];
}
