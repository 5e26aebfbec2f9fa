import { dovecot, type Dovecot, type DovecotUser } from '../tests/harness/dovecot.ts';
import { smtpSink, type SmtpSink } from '../tests/harness/smtp-sink.ts';
import { addChannel, untilWatching } from './import.ts';
import { openStage, type Product, type Stage, type Tenant } from './stage.ts';

/** The whole product with one mailbox, whose answers go to a mail sink. */
export interface Scene {
  readonly stage: Stage;
  readonly product: Product;
  readonly tenant: Tenant;
  readonly server: Dovecot;
  readonly user: DovecotUser;
  readonly sink: SmtpSink;
  readonly channelId: string;
  /** The API as the scene's tenant. */
  readonly call: <T>(method: string, path: string, body?: unknown) => Promise<T>;
  close(): Promise<void>;
}

/** Opens the mailbox with these mails in it, and returns once they are tickets. */
export async function openScene(mails: readonly string[] = []): Promise<Scene> {
  const [server, sink, stage] = await Promise.all([dovecot(), smtpSink(), openStage()]);
  const close = async () => {
    await stage.close();
    await Promise.all([server.stop(), sink.close()]);
  };
  try {
    const user = server.users[0]!;
    for (const mail of mails) server.deliver(user.username, mail);
    const product = await stage.startProduct();
    const tenant = await stage.newTenant('benchmark');
    const channelId = await addChannel(product, tenant, server, user, {
      smtp: { host: sink.host, port: sink.port, security: 'none' },
    });
    await untilWatching(product, tenant, channelId);
    return {
      stage,
      product,
      tenant,
      server,
      user,
      sink,
      channelId,
      close,
      call: (...request) => tenant.call(product, ...request),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

export function plainMail(subject: string): string {
  const id = subject.replaceAll(/\W+/g, '-');
  return [
    'From: Ada <ada@customer.example>',
    'To: <support@example.test>',
    `Subject: ${subject}`,
    `Message-ID: <${id}@customer.example>`,
    `Date: ${new Date().toUTCString()}`,
    '',
    `The kettle does not boil: ${subject}.`,
    '',
  ].join('\r\n');
}

interface TicketSummary {
  readonly id: string;
  readonly subject: string;
}

/** The newest tickets first. */
export async function tickets({ call }: Scene, limit = 100): Promise<TicketSummary[]> {
  const page = await call<{ data: TicketSummary[] }>('GET', `/v1/tickets?limit=${limit}`);
  return page.data;
}

/** The value below which this part of all values lies, by nearest rank. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? Number.NaN;
}
