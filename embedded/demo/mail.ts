import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { simpleParser, type ParsedMail } from 'mailparser';
import { createTransport, type SendMailOptions } from 'nodemailer';
import { SMTPServer } from 'smtp-server';

export interface CustomersServer {
  readonly port: number;
  /** The first mail that was delivered to the customer, as another's library reads it; null before. */
  firstMail(): Promise<ParsedMail | null>;
  /** All that was delivered, as it came, oldest first. */
  mails(): readonly Buffer[];
  close(): Promise<void>;
}

/** The customer's mail server: a small one on loopback that takes everything. */
export async function customersServer(): Promise<CustomersServer> {
  const raw: Buffer[] = [];
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 500,
    onData(stream, _session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        raw.push(Buffer.concat(chunks));
        done();
      });
    },
  });
  server.on('error', () => undefined); // a sender that breaks off comes again
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  const { port } = server.server.address() as AddressInfo; // a TCP listener has one
  return {
    port,
    mails: () => raw,
    firstMail: async () => (raw[0] ? simpleParser(raw[0]) : null),
    close: () => new Promise((done) => server.close(() => done())),
  };
}

/** Sends one mail as the customer's own program would. Returns what the door answered. */
export async function sendAsCustomer(
  door: { readonly smtpHost: string; readonly smtpPort: number },
  mail: SendMailOptions,
): Promise<string> {
  const transport = createTransport({
    host: door.smtpHost,
    port: door.smtpPort,
    tls: { rejectUnauthorized: false }, // the door's certificate may be one it made itself
  });
  try {
    const { response } = await transport.sendMail(mail);
    return response;
  } finally {
    transport.close();
  }
}
