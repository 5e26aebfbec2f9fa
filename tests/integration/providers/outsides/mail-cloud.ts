import type { DoorCall } from '../../../../simulators/mail-cloud.ts';
import { providerCall } from '../call.ts';
import { cutOff } from '../cut-off.ts';
import { clouds } from '../mail-clouds/clouds.ts';
import { openDoor } from '../mail-clouds/door.ts';
import type { DoorOutside, Outside, SenderOutside } from './contract.ts';
import { requestOf } from './door-request.ts';

/** The outside of a vendor whose mail comes by a webhook and leaves by an API: its simulator. */
export function mailCloudOutside(name: string): Outside {
  const cloud = clouds.find((one) => one.name === name)!;

  async function sender(): Promise<SenderOutside> {
    const { simulator, settings } = await cloud.start();
    const { network, cut } = cutOff();
    return {
      settings,
      call: { network },
      sent: () => simulator.sent.map(({ raw, submitted }) => submitted ?? raw),
      afterLostAnswer: 'uncertain',
      failNext(fault) {
        if (fault === 'lost') cut();
        else if (fault === 'busy') simulator.faults.failNext({ kind: 'too_many' });
        else if (fault === 'answer_lost') simulator.faults.failNext({ kind: 'lost_answer' });
        else simulator.refuseNext();
      },
      close: () => simulator.close(),
    };
  }

  async function door(): Promise<DoorOutside> {
    const { simulator, settings, doorUrl } = await cloud.start();
    // The door has seen each call before it comes again, altered or not: what was listened to is what is forged.
    const parsed = cloud.provider.manifest.settings.parse(settings);
    const listener = await openDoor(cloud.provider, () => providerCall(parsed));
    simulator.connect(doorUrl(listener.url));
    const called = async (raw: Buffer): Promise<DoorCall> => {
      await simulator.deliver(raw, { mode: cloud.modes[0] });
      return simulator.calls.at(-1)!;
    };
    return {
      settings,
      authentic: async (raw) => requestOf(await called(raw)),
      forged: async (raw) =>
        Object.fromEntries(
          Object.entries(cloud.altered(await called(raw))).map(([what, call]) => [
            what,
            requestOf(call),
          ]),
        ),
      brings: (raw) => ({ sources: [raw] }),
      async close() {
        await listener.close();
        await simulator.close();
      },
    };
  }

  return { sender, door };
}
