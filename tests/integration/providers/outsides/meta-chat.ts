import type { DoorRequest } from '../../../../providers/contract.ts';
import { metaSimulator } from '../../../../simulators/meta/simulator.ts';
import type { ChatOutside } from './contract.ts';
import { requestOf } from './door-request.ts';

/** A number, or a page, at Meta's simulator, with a customer who writes to it. */
export async function metaChat(of: 'whatsapp' | 'messenger'): Promise<ChatOutside> {
  const simulator = await metaSimulator();
  const { world, hooks } = simulator;
  // Calls are composed, and made to nobody.
  world.apps.get(simulator.app.id)!.callbackUrl = 'http://127.0.0.1:9/nobody';
  hooks.hold();
  const number = simulator.number();
  const page = simulator.page();
  for (const field of ['messages', 'message_echoes']) page.fields.add(field);
  const [line, customer] =
    of === 'whatsapp' ? [number, '4915112345678'] : [page, '7001000000000001'];
  const told = async (): Promise<DoorRequest> => {
    const [call] = await hooks.release();
    hooks.hold();
    return requestOf(call!);
  };
  return {
    settings: simulator.settings(line),
    customer: of === 'whatsapp' ? `+${customer}` : customer,
    async writes({ text, file, quotes }) {
      const said = {
        ...(text !== undefined && { text }),
        ...(quotes !== undefined && { quotes }),
      };
      const image = file && { kind: 'image' as const, bytes: file, contentType: 'image/png' };
      const person = { name: 'Ada' };
      if (of === 'whatsapp')
        simulator.writes(
          number,
          { phone: customer, ...person },
          image ? { file: image, ...said } : { text: '', ...said },
        );
      else
        simulator.says(
          page,
          { psid: customer, ...person },
          image ? { files: [image], ...said } : { text: '', ...said },
        );
      return told();
    },
    async besides(text) {
      simulator.writesBeside(line, customer, text);
      return told();
    },
    failNext: (fault) =>
      simulator.faults.failNext({ kind: fault === 'busy' ? 'too_many' : 'reset' }),
    forgetFiles() {
      world.media.all.clear();
      page.files.clear();
    },
    marked: () => line.marked.length,
    close: () => simulator.close(),
  };
}
