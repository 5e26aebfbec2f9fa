import { setTimeout as sleep } from 'node:timers/promises';
import { inTenant, type Db } from '../db/connection.ts';
import type { TenantId } from '../domain/ids.ts';
import { seededRandom } from '../simulators/faults.ts';
import type { MetaSimulator } from '../simulators/meta/simulator.ts';
import type { SimNumber, SimPage } from '../simulators/meta/world.ts';

const WITHIN_MS = 10 * 60_000;
const LOOK_EVERY_MS = 200;
const AT_ONCE = 8;
/** One in so many answers can't be delivered. */
const FAILS_EVERY = 10;
const SEED = 7;

export interface SceneTenant {
  readonly id: TenantId;
  readonly call: <T>(method: string, path: string, body?: unknown) => Promise<T>;
}

export interface ChatSceneOptions {
  readonly meta: MetaSimulator;
  /** The door that all of Meta's calls come by. */
  readonly doorUrl: string;
  readonly db: Db;
  readonly tenants: readonly SceneTenant[];
  /** So many conversations are there before, each answered once. */
  readonly answers: number;
}

type Line = SimNumber | SimPage;

/** Two tenants with numbers and pages of one app, and customers who write to them. */
export interface ChatScene {
  readonly meta: MetaSimulator;
  readonly tenants: readonly SceneTenant[];
  readonly db: Db;
  /** Ids of all that customers wrote, each with the tenant that it was written to. */
  readonly written: ReadonlyMap<string, TenantId>;
  /** Customers with a line that they wrote to. */
  readonly conversations: ReadonlySet<string>;
  readonly lines: readonly Line[];
  answers(): number;
  /** Some customer writes to some line, or to the line given. */
  write(line?: number): void;
  /** Everything that is ever told of the answers: sent, delivered, read; of some of WhatsApp's that they failed. */
  reportAll(): void;
  /** Until every message is there and every answer has its last state. @returns after so many milliseconds */
  settled(): Promise<number>;
}

interface Made {
  readonly id: string;
}

export async function chatScene(options: ChatSceneOptions): Promise<ChatScene> {
  const { meta, doorUrl, db, tenants, answers } = options;
  Object.assign(meta.reports.plan, { sentMs: null, deliveredMs: null, readMs: null });
  const lines: Line[] = [];
  const owners = new Map<Line, TenantId>();
  for (const tenant of tenants)
    for (const line of [meta.number(), meta.page()]) {
      await tenant.call<Made>('POST', '/v1/channels', {
        provider: line.kind === 'number' ? 'whatsapp' : 'messenger',
        name: line.id,
        settings: meta.settings(line),
      });
      lines.push(line);
      owners.set(line, tenant.id);
    }
  await meta.connect(doorUrl);
  for (const line of lines) if (line.kind === 'page') await untilSubscribed(line);

  const random = seededRandom(SEED);
  const written = new Map<string, TenantId>();
  const conversations = new Set<string>();
  let count = 0;
  const writeTo = (line: Line, customer: number) => {
    const text = `Nachricht ${(count += 1)} – grüße 👋`;
    const digits = String(customer).padStart(6, '0');
    conversations.add(`${line.id}/${customer}`);
    const name = `Customer ${digits}`;
    const id =
      line.kind === 'number'
        ? meta.writes(line, { phone: `4915155${digits}`, name }, { text })
        : meta.says(line, { psid: `7000000000${digits}`, name }, { text });
    written.set(id, owners.get(line)!);
  };
  for (let customer = 0; customer < answers; customer += 1)
    writeTo(lines[customer % lines.length]!, customer);
  await meta.settled();
  const scene: ChatScene = {
    meta,
    tenants,
    db,
    written,
    conversations,
    lines,
    answers: () => lines.reduce((sum, { sent }) => sum + sent.length, 0),
    write: (line = Math.floor(random() * lines.length)) =>
      writeTo(lines[line]!, Math.floor(random() * answers * 4)),
    reportAll: () => reportAll(meta, lines),
    async settled() {
      const began = performance.now();
      await until('every message is there, and every answer has its last state', async () => {
        const { missing, wrongStates } = await outcome(scene);
        return missing === 0 && wrongStates === 0;
      });
      return performance.now() - began;
    },
  };
  await until('the first messages are there', async () => (await outcome(scene)).missing === 0);
  for (const tenant of tenants) await answerAll(tenant);
  await until('every answer was sent', () => scene.answers() === answers);
  return scene;
}

/** What came about, beside what was written and sent. */
export async function outcome({ db, tenants, lines, written, conversations }: ChatScene) {
  const rows = (await Promise.all(tenants.map(({ id }) => messagesOf(db, id)))).flat();
  const inbound = rows.filter(({ direction }) => direction === 'inbound');
  const ids = new Map(inbound.map(({ id, tenant }) => [id, tenant]));
  const states = new Map(rows.map(({ id, status }) => [id, status]));
  const sent = lines.flatMap((line) => line.sent.map((one) => ({ line, one })));
  return {
    missing: [...written].filter(([id, tenant]) => ids.get(id) !== tenant).length,
    doubled: inbound.length - ids.size,
    strange: inbound.filter(({ id, tenant }) => written.get(id ?? '') !== tenant).length,
    wrongStates: sent.filter(({ line, one }) => states.get(one.id) !== lastState(line, one.id))
      .length,
    tickets: new Set(inbound.map(({ ticket }) => ticket)).size,
    conversations: conversations.size,
  };
}

async function messagesOf(db: Db, tenantId: TenantId) {
  return inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('messages')
      .select([
        'provider_message_id as id',
        'tenant_id as tenant',
        'direction',
        'status',
        'ticket_id as ticket',
      ])
      .execute(),
  );
}

function lastState(line: Line, id: string): string {
  const place = line.sent.findIndex((one) => one.id === id);
  if (line.sent[place]!.statuses.length === 0) return 'accepted';
  return fails(line, place) ? 'failed' : 'read';
}

const fails = (line: Line, place: number) => line.kind === 'number' && place % FAILS_EVERY === 0;

function reportAll({ reports }: MetaSimulator, lines: readonly Line[]): void {
  for (const line of lines)
    for (const [place, one] of line.sent.entries())
      for (const kind of fails(line, place)
        ? (['sent', 'failed'] as const)
        : (['sent', 'delivered', 'read'] as const))
        reports.report(line, one, kind);
}

async function answerAll({ call }: SceneTenant): Promise<void> {
  const waiting: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: { data: Made[]; next_cursor: string | null } = await call(
      'GET',
      `/v1/tickets?limit=100${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
    );
    waiting.push(...page.data.map(({ id }) => id));
    cursor = page.next_cursor;
  }
  const lane = async () => {
    for (let id = waiting.shift(); id; id = waiting.shift())
      await call('POST', `/v1/tickets/${id}/messages`, { text: 'Wir kümmern uns darum.' });
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

async function untilSubscribed(page: SimPage): Promise<void> {
  await until('the page is subscribed', () => page.fields.size > 0);
}

async function until(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  for (const deadline = Date.now() + WITHIN_MS; !(await isSo()); await sleep(LOOK_EVERY_MS))
    if (Date.now() > deadline) throw new Error(`Within ten minutes this was not so: ${what}.`);
}
