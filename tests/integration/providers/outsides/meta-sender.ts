import type { OutgoingMessage } from '../../../../providers/contract.ts';
import type { MetaSimulator } from '../../../../simulators/meta/simulator.ts';
import type { SimNumber, SimPage } from '../../../../simulators/meta/world.ts';
import { cutOff } from '../cut-off.ts';
import type { SenderOutside } from './contract.ts';

/** How answers leave by a number, or a page, to a customer who wrote to it. @param refusal Meta's code of one for good */
export function metaSender(
  simulator: MetaSimulator,
  line: SimNumber | SimPage,
  { message, refusal }: { readonly message: OutgoingMessage; readonly refusal: number },
): SenderOutside {
  const { network, cut } = cutOff();
  const match = /^POST .*\/messages/;
  return {
    settings: simulator.settings(line),
    call: { network },
    message,
    sent: () => line.sent.map(({ body }) => JSON.stringify(body)),
    afterLostAnswer: 'uncertain',
    failNext(fault) {
      if (fault === 'lost') cut();
      else if (fault === 'busy') simulator.faults.failNext({ kind: 'too_many', match });
      else if (fault === 'answer_lost') simulator.faults.failNext({ kind: 'lost_answer', match });
      else simulator.refuseNext(line, { code: refusal });
    },
    close: () => simulator.close(),
  };
}
