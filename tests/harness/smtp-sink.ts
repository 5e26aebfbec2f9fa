import { callbackify } from 'node:util';
import { SMTPServer, type SMTPServerSession } from 'smtp-server';

export interface CapturedMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly raw: Buffer;
  /** Login name, where the client gave one. */
  readonly user: string | undefined;
  /** Over TLS, by STARTTLS or from the start. */
  readonly secure: boolean;
  readonly at: Date;
  /** Whether the client was told 250; a mail whose answer was withheld may be sent again. */
  readonly answered: boolean;
}

/** What the sink does wrong with the next transaction. */
export type SmtpFault =
  | {
      readonly kind: 'reject';
      readonly at: 'mail' | 'rcpt' | 'data';
      readonly code: number;
      readonly text?: string;
    }
  /** Takes the whole message and never answers. */
  | { readonly kind: 'hang_after_data' }
  /** Takes the whole message and cuts the connection instead of answering. */
  | { readonly kind: 'drop_after_data' }
  /** Cuts the connection at MAIL FROM. */
  | { readonly kind: 'drop' };

export interface SmtpSinkOptions {
  /** Between a whole message and its 250; default 0. */
  readonly answerAfterMs?: number;
  /** Logins that are taken; default: none is asked for. */
  readonly users?: readonly { readonly username: string; readonly password: string }[];
  /** OAuth tokens that are taken (XOAUTH2) instead of passwords. */
  readonly tokenIsGood?: (username: string, accessToken: string) => Promise<boolean>;
  /** Certificate for STARTTLS, or TLS from the start with `implicit`; default: plain only. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly implicit?: boolean };
}

/** A real SMTP server on loopback that keeps what it gets. */
export interface SmtpSink {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly mails: CapturedMail[];
  /** One fault for each coming transaction, in order. */
  failNext(...faults: SmtpFault[]): void;
  /** Waits until that many mails were taken in all. */
  waitFor(count: number, timeoutMs?: number): Promise<readonly CapturedMail[]>;
  close(): Promise<void>;
}

export async function smtpSink(options: SmtpSinkOptions = {}): Promise<SmtpSink> {
  const mails: CapturedMail[] = [];
  const faults: SmtpFault[] = [];
  const current = new WeakMap<SMTPServerSession, SmtpFault>();
  const watchers = new Set<() => void>();
  const server: SMTPServer = new SMTPServer({
    secure: options.tls?.implicit ?? false,
    ...(options.tls && { cert: options.tls.cert, key: options.tls.key }),
    hideSTARTTLS: options.tls === undefined,
    disabledCommands: (options.users ?? options.tokenIsGood) ? [] : ['AUTH'],
    ...(options.tokenIsGood && { authMethods: ['XOAUTH2'] }),
    authOptional: (options.users ?? options.tokenIsGood) === undefined,
    allowInsecureAuth: true,
    disableReverseLookup: true,
    closeTimeout: 100,
    onAuth(auth, _session, done) {
      if (options.tokenIsGood) {
        const { username = '', accessToken = '' } = auth;
        callbackify(options.tokenIsGood)(username, accessToken, (error, isGood) => {
          if (isGood) done(null, { user: username });
          else done(error ?? withCode(535, 'bad token'));
        });
        return;
      }
      const known = options.users?.some(
        (user) => user.username === auth.username && user.password === auth.password,
      );
      if (known) done(null, { user: auth.username });
      else done(withCode(535, 'authentication failed'));
    },
    onMailFrom(_address, session, done) {
      const fault = faults.shift();
      if (fault) current.set(session, fault);
      else current.delete(session);
      if (fault?.kind === 'drop') cut(server, session);
      else if (fault?.kind === 'reject' && fault.at === 'mail')
        done(withCode(fault.code, fault.text));
      else done();
    },
    onRcptTo(_address, session, done) {
      const fault = current.get(session);
      if (fault?.kind === 'reject' && fault.at === 'rcpt') done(withCode(fault.code, fault.text));
      else done();
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const fault = current.get(session);
        if (fault?.kind === 'reject') {
          done(withCode(fault.code, fault.text));
          return;
        }
        mails.push(captured(session, Buffer.concat(chunks), fault === undefined));
        for (const look of watchers) look();
        if (fault?.kind === 'drop_after_data') cut(server, session);
        else if (fault === undefined) setTimeout(done, options.answerAfterMs ?? 0);
      });
    },
  });
  server.on('error', () => undefined); // a client that breaks off is part of the tests
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.server.address();
  if (typeof address !== 'object' || address === null)
    throw new Error('The SMTP sink has no port.');
  return {
    host: '127.0.0.1',
    port: address.port,
    mails,
    failNext: (...more) => void faults.push(...more),
    waitFor: (count, timeoutMs = 45_000) => waitFor(mails, count, timeoutMs, watchers),
    close: () => new Promise((done) => server.close(() => done())),
  };
}

function captured(session: SMTPServerSession, raw: Buffer, answered: boolean): CapturedMail {
  const { mailFrom, rcptTo } = session.envelope;
  return {
    from: mailFrom === false ? '' : mailFrom.address,
    to: rcptTo.map((recipient) => recipient.address),
    raw,
    user: session.user,
    secure: session.secure,
    at: new Date(),
    answered,
  };
}

function withCode(code: number, text = 'refused by the test'): Error {
  return Object.assign(new Error(text), { responseCode: code });
}

function cut(server: SMTPServer, session: SMTPServerSession): void {
  for (const connection of server.connections) {
    const open = connection as unknown as SmtpConnection; // the types leave its members out
    if (open.session.id === session.id) open._socket.destroy();
  }
}

interface SmtpConnection {
  readonly session: SMTPServerSession;
  readonly _socket: { destroy(): void };
}

function waitFor(
  mails: readonly CapturedMail[],
  count: number,
  timeoutMs: number,
  watchers: Set<() => void>,
): Promise<readonly CapturedMail[]> {
  return new Promise((done, fail) => {
    const look = () => {
      if (mails.length < count) return;
      clearTimeout(timer);
      watchers.delete(look);
      done(mails);
    };
    const timer = setTimeout(() => {
      watchers.delete(look);
      fail(new Error(`${mails.length} of ${count} mails came within ${timeoutMs} ms.`));
    }, timeoutMs);
    watchers.add(look);
    look();
  });
}
