import { createHash } from 'node:crypto';
import { metaSimulator } from '../../../../simulators/meta/simulator.ts';
import { badLine, type BadLine } from './line.ts';
import { answeredBadly, failSome, type FaultWorld } from './world.ts';
import { PNG } from '../../../harness/png.ts';

/** Every so many messages come with a picture, which is fetched from an API that fails. */
const PICTURE_EVERY = 3;

/** Meta, that calls our door over a bad line with messages, twice and out of their order. */
export async function meta(of: 'whatsapp' | 'messenger'): Promise<FaultWorld> {
  const simulator = await metaSimulator();
  const line = of === 'whatsapp' ? simulator.number() : simulator.page();
  Object.assign(simulator.hooks.behaviour, { duplicates: 0.2, disorder: true, retryMs: 20 });
  const files = new Set<string>();
  let door: BadLine | undefined;
  let rate = 0;
  let delivered = 0;
  return {
    settings: { ...simulator.settings(line), timeout_seconds: 2 },
    hasDoor: true,
    files,
    fail(share) {
      rate = share;
      failSome(simulator, share);
    },
    async connect(url) {
      door = await badLine(url, rate);
      await simulator.connect(door.url);
      if (line.kind === 'page') await subscribed(line.fields);
    },
    async deliver(raw) {
      const n = delivered++;
      const id = /^Message-ID: <(.+)>/m.exec(raw.toString())![1]!; // the suite's own
      const bytes = n % PICTURE_EVERY === 0 ? picture(n) : null;
      if (bytes) files.add(createHash('sha256').update(bytes).digest('hex'));
      const file = bytes && { kind: 'image' as const, bytes, contentType: 'image/png' };
      const text = `Grüße ${n}`;
      // Each person's own conversation: what one wrote is nobody's duplicate.
      const who = String(n).padStart(5, '0');
      if (line.kind === 'number')
        simulator.writes(
          line,
          { phone: `49151234${who}`, name: `Ada ${n}` },
          file ? { id, file } : { id, text },
        );
      else
        simulator.says(
          line,
          { psid: `70000000000${who}`, name: `Ada ${n}` },
          file ? { id, files: [file] } : { id, text },
        );
      await simulator.settled();
    },
    failed: () =>
      answeredBadly(simulator) + Object.values(door?.happened ?? {}).reduce((sum, n) => sum + n, 0),
    violations: simulator.violations,
    async close() {
      await door?.close();
      await simulator.close();
    },
  };
}

/** The page is subscribed by the channel's own workflow, which may fail at it at first. */
async function subscribed(fields: ReadonlySet<string>): Promise<void> {
  for (const deadline = Date.now() + 60_000; fields.size === 0;)
    if (Date.now() < deadline) await new Promise((done) => setTimeout(done, 100));
    else throw new Error('The page was not subscribed within a minute.');
}

/** Each another picture. */
const picture = (n: number): Buffer => Buffer.concat([PNG, Buffer.from(`picture ${n}`)]);
