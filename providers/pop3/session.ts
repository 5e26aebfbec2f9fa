import { once } from 'node:events';
import { connect as connectPlain, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import Pop3Command from 'node-pop3';
import type { CheckedServer } from '../connect.ts';
import type { MailSecurity } from '../mail-settings.ts';
import { ReplyParser } from './reply-parser.ts';

export interface Pop3Server extends CheckedServer {
  readonly port: number;
  readonly security: MailSecurity;
}

/** The server answered -ERR; the session goes on. */
export class Pop3Refusal extends Error {
  override name = 'Pop3Refusal';
  /** The command's verb alone: its arguments may be a secret. */
  readonly verb: string;
  /** The extended response code (RFC 2449 §8, RFC 3206): `IN-USE`, `AUTH`, `SYS/TEMP`, `LOGIN-DELAY`. */
  readonly code: string | null;
  constructor(verb: string, text: string) {
    super(text);
    this.verb = verb;
    this.code = /^\[([A-Z-]+(?:\/[A-Z-]+)?)\]/i.exec(text)?.[1]?.toUpperCase() ?? null;
  }
}

/** The connection is gone; what was deleted in it stays. */
export class Pop3Lost extends Error {
  override name = 'Pop3Lost';
}

/** STLS was refused, or what followed it was no clean start of TLS. */
export class StlsFailed extends Error {
  override name = 'StlsFailed';
}

const WITH_CONTENT = new Set(['RETR', 'TOP', 'CAPA']);
/** With content only where they ask about the whole mailbox. */
const WITH_CONTENT_FOR_ALL = new Set(['UIDL', 'LIST']);

/**
 * node-pop3 with a connection of our own: to the address that the guard checked, upgraded by STLS (RFC 2595 §4), by
 * OAuth as well as by password, and without the bytes lost that node-pop3's own reading loses (it looks for the
 * terminator in single network packets, leaves stuffed dots, and takes mail for UTF-8). A lost connection ends what is
 * under way, and nothing is buffered beyond what is asked for.
 */
export class Pop3Session extends Pop3Command {
  readonly #server: Pop3Server;
  readonly #timeoutMs: number;
  readonly #parser = new ReplyParser({
    status: (line) => this.#status(line),
    content: (piece) => {
      if (!this._stream?.push(piece)) this._socket?.pause();
    },
    contentEnd: () => this._endStream(),
  });
  /** An answer is owed: the greeting's at first. */
  #isOwed = true;
  #hasGreeted = false;
  #isContinuation = false;
  #lost: Error | undefined;

  constructor(server: Pop3Server, timeoutMs: number) {
    super({ user: '', password: '', host: server.address, port: server.port });
    this.#server = server;
    this.#timeoutMs = timeoutMs;
    this.setMaxListeners(0); // node-pop3 leaves one behind at each refusal
    this.on('error', () => undefined); // without a listener a late error ends the process
  }

  get isUsable(): boolean {
    return this._socket !== null && this.#lost === undefined;
  }

  /** Connects, upgrades and reads the greeting; logs nobody in. */
  override async connect(): Promise<void> {
    const { address, port, security, tls } = this.#server;
    const target = { host: address, port };
    const socket = security === 'tls' ? connectTls({ ...target, ...tls }) : connectPlain(target);
    await opened(socket, security === 'tls' ? 'secureConnect' : 'connect', this.#timeoutMs);
    const greeted = this.#reply();
    this.#attach(socket);
    await greeted;
    this.#hasGreeted = true;
    if (security === 'starttls') await this.#upgrade(socket);
  }

  /** node-pop3's own commands begin with this: it would log in, which `login` has done. */
  override _connect(): Promise<string> {
    if (this.#lost) return Promise.reject(this.#lost);
    this.#isOwed = true;
    return Promise.resolve('');
  }

  override async QUIT(): Promise<string> {
    const [info] = await this.command('QUIT');
    return info;
  }

  override async command(...words: (string | number)[]): Promise<[string, Readable]> {
    if (this.#lost) throw this.#lost;
    this.#isOwed = true;
    return super.command(...words);
  }

  async login(username: string, password: string): Promise<void> {
    await this.command('USER', username);
    await this.command('PASS', password);
  }

  /**
   * By XOAUTH2 (developers.google.com/workspace/gmail/imap/xoauth2-protocol), or OAUTHBEARER (RFC 7628) where the
   * server has that alone; in two steps, because a token is longer than a command may be (RFC 5034 §4).
   */
  async loginByToken(username: string, accessToken: string): Promise<void> {
    const mechanisms = await this.#mechanisms();
    const isBearer = mechanisms.has('OAUTHBEARER') && !mechanisms.has('XOAUTH2');
    const begin = isBearer ? `n,a=${username},` : `user=${username}`;
    await this.command('AUTH', isBearer ? 'OAUTHBEARER' : 'XOAUTH2');
    const response = `${begin}\x01auth=Bearer ${accessToken}\x01\x01`;
    await this.command(Buffer.from(response).toString('base64'));
    // A refusal is told as one more challenge, and ends with an empty answer (OAUTHBEARER: with a lone 0x01).
    if (this.#isContinuation) await this.command(isBearer ? 'AQ==' : '');
  }

  /** What CAPA names after SASL (RFC 2449 §6.3); nothing where the server has no CAPA. */
  async #mechanisms(): Promise<ReadonlySet<string>> {
    try {
      const [, content] = await this.command('CAPA');
      let text = '';
      for await (const piece of content as AsyncIterable<Buffer>) text += piece.toString('latin1');
      return new Set(/^SASL +(.*)$/im.exec(text)?.[1]?.toUpperCase().split(/\s+/));
    } catch (error) {
      if (error instanceof Pop3Refusal) return new Set();
      throw error;
    }
  }

  destroy(): void {
    this.#fail(new Pop3Lost('The connection was closed.'));
  }

  #attach(socket: Socket | TLSSocket): void {
    this._socket = socket;
    socket.on('data', (bytes) => {
      try {
        this.#parser.push(bytes);
      } catch (error) {
        this.#fail(new Pop3Lost('The server speaks no POP3.', { cause: error }));
      }
    });
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Pop3Lost('The server ended the connection.')));
    socket.setTimeout(this.#timeoutMs, () => {
      if (this.#isOwed || this._stream)
        this.#fail(new Pop3Lost(`The server did not answer within ${this.#timeoutMs} ms.`));
    });
  }

  async #upgrade(plain: Socket): Promise<void> {
    try {
      await this.command('STLS');
    } catch (error) {
      if (!(error instanceof Pop3Refusal)) throw error;
      throw new StlsFailed(error.message, { cause: error });
    }
    // What came in plain after the answer would be taken for the server's word under TLS.
    if (this.#parser.isMidway) throw new StlsFailed('The server sent more than its answer.');
    plain.removeAllListeners();
    plain.on('error', () => undefined); // told by the socket around it
    const secure = connectTls({ socket: plain, ...this.#server.tls });
    await opened(secure, 'secureConnect', this.#timeoutMs);
    this.#attach(secure);
  }

  #status(line: string): boolean {
    if (!this.#isOwed) {
      this.#fail(new Pop3Lost('The server said more than it was asked.'));
      return false;
    }
    this.#isOwed = false;
    const [verb = '', argument] = this._command.split(' ');
    this.#isContinuation = /^\+( |$)/.test(line);
    if (line.startsWith('-ERR')) {
      this.emit('error', new Pop3Refusal(this.#shown(verb), line.slice(4).trim()));
      return false;
    }
    if (!line.startsWith('+')) {
      this.#fail(new Pop3Lost('The server speaks no POP3.'));
      return false;
    }
    const hasContent =
      WITH_CONTENT.has(verb) || (WITH_CONTENT_FOR_ALL.has(verb) && argument === undefined);
    if (hasContent) this._stream = new Readable({ read: () => this._socket?.resume() });
    this.emit('response', line.replace(/^\+(OK)?\s?/, ''), this._stream);
    return hasContent;
  }

  #shown(verb: string): string {
    if (!this.#hasGreeted) return 'greeting';
    return /^[A-Z]{3,4}$/.test(verb) ? verb : 'AUTH'; // what AUTH asks for is a secret
  }

  #reply(): Promise<void> {
    return new Promise((done, fail) => {
      this.once('error', fail);
      this.once('response', () => {
        this.removeListener('error', fail);
        done();
      });
    });
  }

  #fail(error: Error): void {
    if (this.#lost) return;
    this.#lost = error;
    this._socket?.destroy();
    this._socket = null;
    this._stream?.destroy(error);
    this._stream = null;
    this.emit('error', error);
  }
}

/** @throws Error of the socket; `ETIMEDOUT` where nobody answers in time */
async function opened(
  socket: Socket | TLSSocket,
  event: 'connect' | 'secureConnect',
  timeoutMs: number,
): Promise<void> {
  const refuse = (code: string) => () =>
    socket.destroy(Object.assign(new Error('The server does not answer.'), { code }));
  const late = setTimeout(refuse('ETIMEDOUT'), timeoutMs);
  const closed = new Promise<never>((_, fail) => {
    socket.once('close', () => fail(new Pop3Lost('The server ended the connection.')));
  });
  closed.catch(() => undefined); // it closes some day
  try {
    await Promise.race([once(socket, event), closed]);
  } finally {
    clearTimeout(late);
  }
}
