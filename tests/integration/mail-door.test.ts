import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect as connectSocket, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import type { ApiDeps } from '../../api/deps.ts';
import { startMailDoor, type MailDoor } from '../../api/ingress/smtp.ts';
import { connect, inTenant, type Db } from '../../db/connection.ts';
import { readBlobs } from '../../db/queries/blobs.ts';
import { wantState } from '../../db/queries/channel-changes.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import { createLogger } from '../../telemetry/log.ts';
import type { PendingWork } from '../../workflows/contracts/relay.ts';
import { askForPart, runSql, type PostgresPart } from '../harness/parts.ts';
import { eventually, testDatabase, type TestDatabase } from '../harness/index.ts';
import { seedChannel } from '../workflow/channel-seed.ts';

const MAX_BYTES = 3 * 1024 * 1024;
const flushed: PendingWork[] = [];
let database: TestDatabase;
let db: Db;
let home: string;
let door: MailDoor;
let tenants: [TenantId, TenantId];

beforeAll(async () => {
  database = await testDatabase();
  db = connect({ url: database.url, poolSize: 10 });
  home = mkdtempSync(join(tmpdir(), 'postroom-door-'));
  tenants = [await ensureTenant(db, 'one'), await ensureTenant(db, 'two')];
  const deps = {
    config: { home },
    db,
    log: createLogger('fatal'),
    relay: { flush: async (work: PendingWork) => void flushed.push(work) },
  } as unknown as ApiDeps; // the door uses nothing else of it
  door = await startMailDoor(deps, { host: '127.0.0.1', port: 0, maxBytes: MAX_BYTES });
});

afterAll(async () => {
  await door.close();
  await db.destroy();
  rmSync(home, { recursive: true, force: true });
});

beforeEach(() => {
  flushed.length = 0;
});

async function channel(address: string, tenant = tenants[0]): Promise<ChannelId> {
  const addresses = { wanted: [address], offered: [] };
  const shown = { provider: 'smtp', name: 'Support', state: 'watching' };
  const { id } = await seedChannel(db, tenant, { ...shown, address, addresses });
  return id;
}

async function sources(channelId: ChannelId, tenant = tenants[0]) {
  return inTenant(db, tenant, async (tx) => {
    const rows = await tx
      .selectFrom('sources')
      .selectAll()
      .where('channel_id', '=', channelId)
      .orderBy('id')
      .execute();
    const bytes = await readBlobs(
      tx,
      tenant,
      rows.map((row) => row.sha256),
    );
    return rows.map((row) => ({ ...row, bytes: bytes.get(row.sha256.toString('hex'))! }));
  });
}

const MAIL = 'Message-ID: <1@x.test>\r\nFrom: ada@x.test\r\nSubject: Hi\r\n\r\n..dot\r\nbye\r\n';

/** An SMTP dialogue, spoken line by line. */
class Client {
  socket: Socket;
  #text = '';
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    this.#listen();
  }

  #listen(): void {
    this.socket.on('data', (chunk: Buffer) => {
      this.#text += String(chunk);
      this.#wake();
    });
    this.socket.on('close', () => this.#wake());
    this.socket.on('error', () => undefined); // shows in the answers
  }

  static async open(): Promise<Client> {
    const client = new Client(connectSocket({ host: '127.0.0.1', port: door.port }));
    await client.answer();
    await client.say('EHLO client.test');
    return client;
  }

  /** The next whole answer, of several lines where the server says so. */
  async answer(): Promise<string> {
    for (;;) {
      const whole = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(this.#text);
      if (whole) {
        this.#text = this.#text.slice(whole[0].length);
        return whole[0];
      }
      if (this.socket.destroyed) return 'closed';
      await new Promise<void>((wake) => (this.#wake = wake));
    }
  }

  async say(line: string): Promise<string> {
    this.socket.write(`${line}\r\n`);
    return this.answer();
  }

  async secure(): Promise<void> {
    expect(await this.say('STARTTLS')).toMatch(/^220/);
    this.socket.removeAllListeners('data');
    const secured = connectTls({ socket: this.socket, rejectUnauthorized: false });
    await once(secured, 'secureConnect');
    this.socket = secured;
    this.#listen();
  }

  async send(to: string | readonly string[], mail = MAIL): Promise<string> {
    await this.say('RSET');
    const from = await this.say('MAIL FROM:<ada@x.test>');
    if (!from.startsWith('250')) return from;
    for (const address of [to].flat()) {
      const rcpt = await this.say(`RCPT TO:<${address}>`);
      if (!rcpt.startsWith('250')) return rcpt;
    }
    const data = await this.say('DATA');
    if (!data.startsWith('354')) return data;
    return this.say(`${mail.replace(/^\./gm, '..')}.`);
  }

  close(): void {
    this.socket.destroy();
  }
}

describe('the local mail door', () => {
  let client: Client;
  beforeEach(async () => {
    client = await Client.open();
  });
  afterEach(() => client.close());

  it('says 250 for a mail that is stored, byte for byte, with its envelope, and nudges its channel', async () => {
    const id = await channel('support@one.test');
    const answer = await client.send('Support@One.TEST');
    const [source, ...others] = await sources(id);
    expect(others).toEqual([]);
    expect(answer).toBe(`250 2.0.0 stored as ${source!.id}\r\n`);
    expect(String(source!.bytes)).toBe(MAIL);
    expect(source).toMatchObject({
      status: 'staged',
      envelope: { from: 'ada@x.test', to: ['Support@One.TEST'] },
    });
    expect([...flushed.at(-1)!.channels.keys()]).toEqual([id]);
  });

  it('takes plus-addresses, and keeps what stands behind the plus', async () => {
    const id = await channel('plus@one.test');
    expect(await client.send('plus+tkt.123@one.test')).toMatch(/^250/);
    expect((await sources(id))[0]!.envelope?.to).toEqual(['plus+tkt.123@one.test']);
  });

  it('refuses every address that is no channel’s, and goes on with the others', async () => {
    const id = await channel('known@one.test');
    await client.say('MAIL FROM:<ada@x.test>');
    for (const address of [
      'stranger@one.test',
      'known@elsewhere.test',
      'a@one.test@known',
      'known',
    ])
      expect(await client.say(`RCPT TO:<${address}>`)).toMatch(/^5[05][013] /);
    expect(await client.say('DATA')).toMatch(/^503/);
    expect(await client.send('known@one.test')).toMatch(/^250/);
    expect(await sources(id)).toHaveLength(1);
  });

  it('offers no login', async () => {
    const features = await client.say('EHLO client.test');
    expect(features).not.toContain('AUTH');
    expect(features).toContain('STARTTLS');
    expect(features).toContain(`SIZE ${MAX_BYTES}`);
    expect(await client.say('AUTH PLAIN AGEAYg==')).toMatch(/^5/);
  });

  it('speaks STARTTLS with a certificate of its own, kept for itself alone', async () => {
    const id = await channel('tls@one.test');
    await client.secure();
    await client.say('EHLO client.test');
    expect(await client.send('tls@one.test')).toMatch(/^250/);
    expect(await sources(id)).toHaveLength(1);
    expect(statSync(join(home, 'mail-door.pem')).mode & 0o777).toBe(0o600);
  });

  it('gives each channel of several its own receipt, across tenants, whatever the size', async () => {
    const one = await channel('both-one@one.test');
    const two = await channel('both-two@two.test', tenants[1]);
    const to = ['both-one@one.test', 'both-one+x@one.test', 'both-two@two.test'];
    const large = `${MAIL}${'x'.repeat(900)}\r\n`.repeat(2000);
    for (const mail of [MAIL, large]) expect(await client.send(to, mail)).toMatch(/^250/);
    for (const [id, tenant] of [
      [one, tenants[0]],
      [two, tenants[1]],
    ] as const) {
      const found = await sources(id, tenant);
      expect(found.map((source) => source.bytes.length)).toEqual([MAIL.length, large.length]);
    }
    const [toOne] = await sources(one);
    expect(toOne!.envelope?.to).toEqual(['both-one@one.test', 'both-one+x@one.test']);
  });

  it('answers 552 to a mail beyond the limit, announced or not, and keeps nothing of it', async () => {
    const id = await channel('large@one.test');
    expect(await client.say(`MAIL FROM:<ada@x.test> SIZE=${MAX_BYTES + 1}`)).toMatch(/^552/);
    const large = `Subject: x\r\n\r\n${`${'y'.repeat(900)}\r\n`.repeat(5000)}`;
    expect(await client.send('large@one.test', large)).toMatch(/^552 5\.3\.4/);
    expect(await sources(id)).toEqual([]);
    expect(await client.send('large@one.test')).toMatch(/^250/);
  });

  it('keeps nothing of a mail whose sender breaks off', async () => {
    const id = await channel('cut@one.test');
    for (const bytes of [100, 600_000]) {
      const cut = await Client.open();
      await cut.say('MAIL FROM:<ada@x.test>');
      await cut.say('RCPT TO:<cut@one.test>');
      await cut.say('DATA');
      cut.socket.write(`Subject: half\r\n\r\n${'z'.repeat(bytes)}`);
      await new Promise((done) => setTimeout(done, 100));
      cut.close();
    }
    await new Promise((done) => setTimeout(done, 200));
    expect(await sources(id)).toEqual([]);
  });

  it('refuses for now what a stopped channel is sent, and takes it for a paused one', async () => {
    const id = await channel('state@one.test');
    await wantState(db, tenants[0], id, 'stopped');
    expect(await client.send('state@one.test')).toMatch(/^450 4\.2\.1/);
    await wantState(db, tenants[0], id, 'paused');
    expect(await client.send('state@one.test')).toMatch(/^250/);
    expect(await sources(id)).toHaveLength(1);
  });

  it('takes no more than a hundred recipients of one mail', async () => {
    await channel('many@one.test');
    await client.say('MAIL FROM:<ada@x.test>');
    for (let n = 0; n < 100; n++)
      expect(await client.say(`RCPT TO:<many+${n}@one.test>`)).toMatch(/^250/);
    expect(await client.say('RCPT TO:<many+101@one.test>')).toMatch(/^452/);
  });

  it('says 250 exactly as often as a mail is stored, while the database is cut off under load', async () => {
    const id = await channel('load@one.test');
    const { adminUrl } = await askForPart<PostgresPart>('postgres');
    const answers: string[] = [];
    const over = new AbortController();
    const sender = async (name: number) => {
      const own = await Client.open();
      for (let n = 0; !over.signal.aborted; n++) {
        const mail = `${MAIL}${name}.${n}\r\n${n % 10 === 0 ? 'w'.repeat(400_000) : ''}\r\n`;
        answers.push(await own.send('load@one.test', mail));
      }
      own.close();
    };
    const senders = Array.from({ length: 20 }, (_, name) => sender(name));
    const answered = (code: string) => answers.filter((answer) => answer.startsWith(code)).length;
    await eventually(() => expect(answered('250')).toBeGreaterThan(20), 60_000);
    await runSql(adminUrl, `alter database ${database.name} allow_connections false`);
    for (let cut = 0; cut < 3 || answered('451') === 0; cut++) {
      await runSql(
        adminUrl,
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${database.name}'`,
      );
      await new Promise((done) => setTimeout(done, 150));
    }
    await runSql(adminUrl, `alter database ${database.name} allow_connections true`);
    const before = answered('250');
    await eventually(() => expect(answered('250')).toBeGreaterThan(before + 20), 60_000);
    over.abort();
    await Promise.all(senders);
    const accepted = answers.filter((answer) => answer.startsWith('250'));
    const later = answers.filter((answer) => answer.startsWith('451'));
    expect(accepted.length + later.length).toBe(answers.length);
    const stored = new Set((await sources(id)).map((source) => source.id));
    expect(stored.size).toBe(accepted.length);
    for (const answer of accepted) expect(stored).toContain(/src_\w+/.exec(answer)![0]);
  }, 240_000);
});
