import { isDeepStrictEqual } from 'node:util';
import { repeat } from '../../../simulators/mail-cloud.ts';
import { clouds, type Cloud } from '../../../tests/integration/providers/mail-clouds/clouds.ts';
import type { DemoDoor, OpenDoor } from './door.ts';
import { violationsOf } from './violations.ts';

/** Vendors whose mail comes by a webhook and leaves by an API. `way`: how it hands a large mail over. */
const SHOWN = [
  { name: 'sendgrid', title: 'SendGrid', way: 'raw' },
  { name: 'mailgun', title: 'Mailgun', way: 'stored' },
  { name: 'ses', title: 'SES', way: 's3' },
  { name: 'postmark', title: 'Postmark', way: 'raw' },
] as const;

export function mailCloudDoors(run: string): DemoDoor[] {
  return SHOWN.flatMap(({ name, title, way }) => {
    const cloud = clouds.find((one) => one.name === name);
    if (!cloud) return [];
    const address = `demo-${name}-${run}@mail.test`;
    return [{ title, provider: name, address, open: () => open(cloud, address, way) }];
  });
}

async function open(cloud: Cloud, address: string, way: string): Promise<OpenDoor> {
  const { simulator, settings, doorUrl } = await cloud.start();
  const accepted = (what: string, { status, body }: { status: number; body: string }) => {
    if (status >= 300) throw new Error(`The door answered ${what} with ${status}: ${body}`);
  };
  return {
    settings,
    connect: (ingressUrl) => simulator.connect(doorUrl(ingressUrl)),
    deliver: async (raw) =>
      accepted('a mail', await simulator.deliver(raw, { to: address, mode: way })),
    repeat: async () => accepted('the same call', await repeat(simulator.calls.at(-1)!)),
    async tamper() {
      const authentic = simulator.calls.at(-1)!;
      // An alteration that finds nothing to alter in this mail is an authentic call.
      const calls = Object.entries(cloud.altered(authentic)).filter(
        ([, call]) => !isDeepStrictEqual(call, authentic),
      );
      const answers: Record<string, number> = {};
      for (const [what, call] of calls) answers[what] = (await repeat(call)).status;
      return answers;
    },
    sent: () => simulator.sent.map(({ raw }) => raw),
    reportBounce: async () =>
      accepted('the bounce', await simulator.report(simulator.sent.at(-1)!, 'bounced')),
    violations: () => violationsOf(simulator),
    close: () => simulator.close(),
  };
}
