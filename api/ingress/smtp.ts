import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  SMTPServer,
  type SMTPServerAddress,
  type SMTPServerDataStream,
  type SMTPServerSession,
} from 'smtp-server';
import { doorAnswered, doorRefusals, sourcesAccepted } from '../../telemetry/metrics.ts';
import { traced } from '../../telemetry/trace.ts';
import type { ApiDeps } from '../deps.ts';
import { CoalescedFlush } from './coalesced-flush.ts';
import { DoorError, recipientChannel, type Recipient } from './smtp-recipient.ts';
import { storeMail } from './smtp-store.ts';
import { doorCertificate } from './smtp-certificate.ts';

export interface MailDoorOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Announced, and held to. */
  readonly maxBytes: number;
  /** PEM for STARTTLS; self-made and kept in the state folder when missing. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

export interface MailDoor {
  readonly port: number;
  /** Takes no new connections; mails under way may end within some seconds. */
  close(): Promise<void>;
}

const MOST_CLIENTS = 300;
const MOST_RECIPIENTS = 100; // as many as every server must take (RFC 5321 §4.5.3.1.8)
const IDLE_MS = 60_000;
const CLOSE_MS = 4_000;

/**
 * The local mail door (RFC 5321): takes mail for known channel addresses and their plus-addresses, and answers 250
 * only once the mail is stored. It relays nothing and knows no logins. @throws the listener's error, such as EADDRINUSE.
 */
export async function startMailDoor(deps: ApiDeps, options: MailDoorOptions): Promise<MailDoor> {
  const flush = new CoalescedFlush(deps.relay, deps.log);
  const recipients = new WeakMap<SMTPServerSession, Map<string, Recipient>>();
  const underWay = new Set<Promise<void>>();
  const { cert, key } = options.tls ?? doorCertificate(deps.config.home, options.host);

  /** Tells the client the outcome of `work`; it never rejects. */
  async function answer(done: Answer, work: () => Promise<string | void>): Promise<void> {
    let said: string | void;
    try {
      said = await work();
    } catch (error) {
      done(answerTo(deps, error));
      return;
    }
    done(null, said ?? undefined);
  }

  async function accept(address: SMTPServerAddress, session: SMTPServerSession): Promise<void> {
    const known = recipients.get(session) ?? new Map<string, Recipient>();
    known.set(address.address, await recipientChannel(deps, address.address));
    recipients.set(session, known);
  }

  async function take(stream: SMTPServerDataStream, session: SMTPServerSession): Promise<string> {
    const { mailFrom, rcptTo } = session.envelope;
    const known = recipients.get(session);
    const wanted = rcptTo.map(({ address }) => known!.get(address)!);
    const stored = await storeMail(deps, stream, {
      from: mailFrom === false || mailFrom.address === '' ? null : mailFrom.address,
      recipients: wanted,
      maxBytes: options.maxBytes,
    }).finally(() => stream.resume()); // what is not read is dropped, so that the answer can be given
    for (const { channel, pending } of stored) {
      sourcesAccepted.inc({ provider: channel.provider });
      flush.add(channel.id, pending);
    }
    return `2.0.0 stored as ${stored.map(({ sourceId }) => sourceId).join(' ')}`;
  }

  const server = new SMTPServer({
    banner: 'Postroom',
    size: options.maxBytes,
    cert,
    key,
    minVersion: 'TLSv1.2',
    disabledCommands: ['AUTH'],
    authOptional: true,
    disableReverseLookup: true,
    maxClients: MOST_CLIENTS,
    maxRecipients: MOST_RECIPIENTS,
    socketTimeout: IDLE_MS,
    closeTimeout: CLOSE_MS,
    onMailFrom(_address, session, done) {
      recipients.delete(session); // a new mail begins
      done();
    },
    onRcptTo(address, session, done) {
      void answer(done, async () => {
        await accept(address, session);
      });
    },
    onData(stream, session, done) {
      const began = performance.now();
      const told: Answer = (error, text) => {
        doorAnswered('smtp', error ? outcomeOf(error) : 'accepted', began);
        done(error, text);
      };
      const taking = answer(told, () =>
        traced('SMTP DATA', { kind: 'server', parent: null }, () => take(stream, session)),
      );
      underWay.add(taking);
      void taking.finally(() => underWay.delete(taking));
    },
  });
  // A client that breaks off, speaks no TLS, or times out.
  server.on('error', (error) => deps.log.debug({ err: error }, 'mail door connection'));
  server.listen(options.port, options.host);
  await once(server.server, 'listening');
  const { port } = server.server.address() as AddressInfo; // a TCP listener has one
  return {
    port,
    async close() {
      await new Promise<void>((done) => server.close(done));
      await Promise.allSettled(underWay);
      await flush.settled();
    },
  };
}

function outcomeOf(error: Error): 'refused' | 'later' {
  return error instanceof DoorError && error.responseCode >= 500 ? 'refused' : 'later';
}

type Answer = (error?: Error | null, text?: string) => void;

/** What the client is told: our own refusals as they are, everything else "later". */
function answerTo(deps: ApiDeps, error: unknown): Error {
  if (error instanceof DoorError) {
    doorRefusals.inc({ provider: 'smtp', code: error.code });
    return error;
  }
  deps.log.error({ err: error }, 'mail not taken');
  doorRefusals.inc({ provider: 'smtp', code: 'not_stored' });
  return new DoorError(
    451,
    'not_stored',
    '4.3.0 The mail cannot be stored now; send it again later',
  );
}
