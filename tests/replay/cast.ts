import { changeTenantSettings } from '../../db/queries/tenants.ts';
import { dovecot, type Dovecot } from '../harness/dovecot.ts';
import { eventually } from '../harness/eventually.ts';
import { recordedWorkflows, type RecordedWorkflow } from '../harness/histories.ts';
import { httpSink, type HttpSink } from '../harness/http-sink.ts';
import { installation, type Installation } from '../harness/installation.ts';
import { smtpSink, type SmtpSink } from '../harness/smtp-sink.ts';

const PATIENCE_MS = 60_000;

export interface Login {
  readonly username: string;
  readonly password: string;
}

interface ShownTicket {
  readonly id: string;
  readonly subject: string;
  readonly status: string;
  readonly sla: { readonly escalation_level: number };
}

/** Tells a workflow from the others by its state. */
export type Chooser = (workflow: RecordedWorkflow) => boolean;

/** The product with the servers around it, and what people do with them. */
export class Cast {
  readonly postroom: Installation;
  readonly server: Dovecot;
  readonly sink: SmtpSink;
  readonly receiver: HttpSink;

  private constructor(
    postroom: Installation,
    around: { server: Dovecot; sink: SmtpSink; receiver: HttpSink },
  ) {
    this.postroom = postroom;
    this.server = around.server;
    this.sink = around.sink;
    this.receiver = around.receiver;
  }

  static async gather(logins: readonly Login[]): Promise<Cast> {
    const [server, sink, receiver, postroom] = await Promise.all([
      dovecot(logins),
      smtpSink(),
      httpSink(),
      installation('recorded'),
    ]);
    return new Cast(postroom, { server, sink, receiver });
  }

  async end(): Promise<void> {
    await this.postroom.close();
    await Promise.all([this.server.stop(), this.sink.close(), this.receiver.close()]);
  }

  /** By the API. @throws what it answers, where that is no success */
  async post(path: string, body: object = {}, method = 'POST'): Promise<{ id: string }> {
    const answer = await this.postroom.call(method, path, body);
    if (answer.status >= 300)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as { id: string }; // what is made or changed has one
  }

  changeTicket(id: string, change: object): Promise<{ id: string }> {
    return this.post(`/v1/tickets/${id}`, change, 'PATCH');
  }

  settings(change: Parameters<typeof changeTenantSettings>[2]): Promise<void> {
    return changeTenantSettings(this.postroom.deps.db, this.postroom.tenantId, change);
  }

  /** A customer of this name writes about himself; `answers` goes on with what he wrote first. */
  mail(to: Login, customer: string, how: { urgent?: boolean; answers?: boolean } = {}): void {
    const first = `${customer}@customer.example`;
    const lines = [
      `From: <${first}>`,
      `To: <${to.username}>`,
      `Subject: ${customer}`,
      ...(how.answers ? [`References: <${first}>`] : []),
      `Message-ID: <${how.answers ? `${Date.now()}.` : ''}${first}>`,
      ...(how.urgent ? ['X-Priority: 1'] : []),
    ];
    this.server.deliver(to.username, `${lines.join('\r\n')}\r\n\r\nA word.\r\n`);
  }

  /** His tickets, oldest first, once there are so many. */
  async tickets(customer: string, atLeast = 1): Promise<ShownTicket[]> {
    let found: ShownTicket[] = [];
    await this.#until(`${customer} has ${atLeast} tickets`, async () => {
      const { body } = await this.postroom.call('GET', '/v1/tickets?limit=100');
      const all = (body.data as ShownTicket[]).filter(({ subject }) => subject === customer);
      found = all.sort((a, b) => (a.id < b.id ? -1 : 1));
      return found.length >= atLeast;
    });
    return found;
  }

  async ticket(customer: string): Promise<string> {
    return (await this.tickets(customer))[0]!.id;
  }

  ticketIs(id: string, isSo: (ticket: ShownTicket) => boolean): Promise<void> {
    return this.#until(`ticket ${id} is so`, async () =>
      isSo((await this.postroom.call('GET', `/v1/tickets/${id}`)).body as ShownTicket),
    );
  }

  channelIs(id: string, state: string): Promise<void> {
    return this.#until(`channel ${id} is ${state}`, async () => {
      const { body } = await this.postroom.call('GET', `/v1/channels/${id}/status`);
      return body.state === state;
    });
  }

  hasEnded(workflowId: string): Promise<void> {
    const handle = this.postroom.deps.client.workflow.getHandle(workflowId);
    return this.#until(`${workflowId} has ended`, async () =>
      handle.describe().then(({ status }) => status.name !== 'RUNNING'),
    );
  }

  async areAllThere(chosen: Readonly<Record<string, Chooser>>): Promise<void> {
    await eventually(async () => {
      const recorded = await recordedWorkflows(this.postroom.deps.client);
      const missing = Object.keys(chosen).filter((name) => !recorded.some(chosen[name]!));
      if (missing.length > 0) throw new Error(`Nothing came to be ${missing.join(', ')}.`);
    }, PATIENCE_MS);
  }

  #until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    return eventually(async () => {
      if (!(await isSo())) throw new Error(`It did not come about in time that ${what}.`);
    }, PATIENCE_MS);
  }
}
