import { seededRandom } from '../../../../simulators/faults.ts';
import { dovecot } from '../../../harness/index.ts';
import { meddlingProxy } from '../meddling-proxy.ts';
import type { FaultWorld } from './world.ts';

const USER = { username: 'support@example.test', password: 'secret' };
const NOTHING = Buffer.alloc(0);

/** Whether the answer with this number (from 1) of a connection goes wrong. */
type GoesWrong = (connection: number, answer: number, rate: number) => boolean;

const random = seededRandom(42);
/** Greeting, login and what belongs to them: a line that fails a fifth of them too lets hardly anyone in. */
const SIGN_IN = 6;

/** Each answer by itself. */
const anyAnswer: GoesWrong = (_connection, answer, rate) =>
  random() < (answer > SIGN_IN ? rate : rate / 7);

/**
 * Four sessions of five, each somewhere in it: POP3 begins every session anew, so that one in which each answer may fail
 * gets nowhere. The first two break while they sign in, however few sessions there come to be.
 */
function mostSessions(): GoesWrong {
  const at = new Map<number, number>();
  let broken = 0;
  const place = (rate: number) => {
    if (rate === 0) return 0;
    if (broken < 2) return 1 + Math.floor(random() * 3);
    return random() < rate * 4 ? 1 + Math.floor(random() * 40) : 0;
  };
  return (connection, answer, rate) => {
    if (!at.has(connection)) {
      at.set(connection, place(rate));
      if (at.get(connection)! > 0) broken += 1;
    }
    return at.get(connection) === answer;
  };
}

/** A real Dovecot behind a line that cuts connections, and swallows answers. */
export async function mailServer(protocol: 'imap' | 'pop3', settings: object): Promise<FaultWorld> {
  const server = await dovecot([USER]);
  const goesWrong = protocol === 'imap' ? anyAnswer : mostSessions();
  let rate = 0;
  let failed = 0;
  const answers = new Map<number, number>();
  const proxy = await meddlingProxy(server.ports[protocol], (chunk, connection) => {
    const answer = (answers.get(connection) ?? 0) + 1;
    answers.set(connection, answer);
    if (!goesWrong(connection, answer, rate)) return chunk;
    failed += 1;
    return failed % 4 === 0 ? NOTHING : 'cut';
  });
  return {
    settings: {
      host: '127.0.0.1',
      port: proxy.port,
      security: 'none',
      ...USER,
      import_since: '2020-01-01',
      batch_size: 10,
      timeout_seconds: 2,
      ...settings,
    },
    hasDoor: false,
    fail: (share) => void (rate = share),
    connect: () => Promise.reject(new Error('A mail server calls no door.')),
    deliver: (raw) => Promise.resolve(server.deliver(USER.username, raw)),
    failed: () => failed,
    violations: [],
    async close() {
      await proxy.close();
      await server.stop();
    },
  };
}
