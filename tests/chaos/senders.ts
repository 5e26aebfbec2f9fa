import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a door answered; status 0 where it gave no answer. */
export interface DoorAnswer {
  readonly status: number;
  readonly text: string;
  readonly retryAfter: string | null;
  readonly at: number;
}

const ANSWER_WITHIN_MS = 30_000;
const AGAIN_MS = 150;

/** Hands one mail to a door, once. Never rejects. */
export type Door = (raw: Buffer) => Promise<DoorAnswer>;

/** Sends mails as a mail server does: in order, each again until it is accepted. @throws Error at a refusal for good */
export async function sendUntilAccepted(
  door: Door,
  mails: readonly Buffer[],
  accepted: (index: number) => void = () => undefined,
  pauseMs = 0,
): Promise<DoorAnswer[]> {
  const answers: DoorAnswer[] = [];
  for (const [index, raw] of mails.entries()) {
    for (;;) {
      const answer = await door(raw);
      answers.push(answer);
      if (answer.status >= 200 && answer.status < 300) break;
      if (isRefusal(answer)) throw new Error(`A door refused a mail for good: ${answer.text}`);
      await sleep(AGAIN_MS);
    }
    accepted(index);
    if (pauseMs > 0) await sleep(pauseMs);
  }
  return answers;
}

/** 4xx of HTTP but 429, 5xx of SMTP (RFC 5321 §4.2.1); an HTTP answer's text has no code of its own in front. */
function isRefusal({ status, text }: DoorAnswer): boolean {
  const isSmtp = text.startsWith(String(status));
  return isSmtp ? status >= 500 : status >= 400 && status < 500 && status !== 429;
}

/** `POST /ingress/mime/{channel}`. */
export function httpDoor(url: string, token: string): Door {
  return async (raw) => {
    const at = Date.now();
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'message/rfc822' },
        body: new Uint8Array(raw),
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      const text = await response.text();
      return { status: response.status, text, retryAfter: response.headers.get('retry-after'), at };
    } catch (error) {
      return { status: 0, text: String(error), retryAfter: null, at };
    }
  };
}

/** A dialogue of its own for each mail; bytes go as they are, dots doubled (RFC 5321 §4.5.2). */
export function smtpDoor(port: number, to: string, from = 'mta@customer.example'): Door {
  return async (raw) => {
    const at = Date.now();
    const socket = connect({ host: '127.0.0.1', port });
    socket.setTimeout(ANSWER_WITHIN_MS, () => socket.destroy());
    try {
      const text = await dialogue(socket, [
        `EHLO customer.example\r\n`,
        `MAIL FROM:<${from}>\r\n`,
        `RCPT TO:<${to}>\r\n`,
        `DATA\r\n`,
        Buffer.concat([stuffed(raw), Buffer.from('.\r\n')]),
      ]);
      return { status: Number(text.slice(0, 3)), text, retryAfter: null, at };
    } catch (error) {
      return { status: 0, text: String(error), retryAfter: null, at };
    } finally {
      socket.destroy();
    }
  };
}

/** The answer to the last command, or the first that is no yes. @throws Error where the connection ends before */
async function dialogue(socket: Socket, commands: readonly (string | Buffer)[]): Promise<string> {
  let heard = '';
  let wake = () => {};
  socket.on('error', () => undefined); // the close that follows is looked at
  socket.on('close', () => wake());
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.toString('latin1');
    wake();
  });
  const answer = async () => {
    for (;;) {
      const whole = /^(?:\d{3}-.*\r\n)*(\d{3}(?: .*)?)\r\n/.exec(heard);
      if (whole) {
        heard = heard.slice(whole[0].length);
        return whole[1]!;
      }
      if (socket.destroyed) throw new Error('The connection ended without an answer.');
      await new Promise<void>((done) => (wake = done));
    }
  };
  let text = await answer();
  for (const command of commands) {
    if (!/^[23]/.test(text)) return text;
    socket.write(command);
    text = await answer();
  }
  return text;
}

function stuffed(raw: Buffer): Buffer {
  const text = raw.toString('latin1').replaceAll(/(^|\n)\./g, '$1..');
  return Buffer.from(text.endsWith('\r\n') ? text : `${text}\r\n`, 'latin1');
}
