import type {
  OutgoingChat,
  OutgoingMessage,
  ProviderCall,
} from '../../../../providers/contract.ts';
import type { MessengerSettings } from '../../../../providers/messenger/manifest.ts';
import { messenger } from '../../../../providers/messenger/provider.ts';
import { metaSimulator, type MetaSimulator } from '../../../../simulators/meta/simulator.ts';
import type { SimPage } from '../../../../simulators/meta/world.ts';
import { providerCall } from '../call.ts';
import { chatAnswer } from '../outgoing.ts';

export const ADA = '7001000000000001';

export interface Facebook {
  readonly meta: MetaSimulator;
  readonly page: SimPage;
  readonly call: (
    more?: Partial<ProviderCall<MessengerSettings>>,
    settings?: object,
  ) => ProviderCall<MessengerSettings>;
}

/** A page at the simulator to which Ada wrote just now. */
export async function facebook(): Promise<Facebook> {
  const meta = await metaSimulator();
  const page = meta.page();
  meta.says(page, { psid: ADA, name: 'Ada Lovelace' }, { text: 'Hello' });
  return {
    meta,
    page,
    call: (more = {}, settings = {}) =>
      providerCall(messenger.manifest.settings.parse({ ...meta.settings(page), ...settings }), {
        timeoutMs: 5_000,
        ...more,
      }),
  };
}

/** An answer to Ada, inside the window. */
export const answer = (
  text: string,
  more: Partial<Omit<OutgoingMessage, 'chat'>> = {},
  chat: Partial<OutgoingChat> = {},
): OutgoingMessage => chatAnswer(ADA, { text, ...more, chat });

/** After the window. */
export function lateChat(more: Partial<OutgoingChat> = {}): Partial<OutgoingChat> {
  return {
    conversation: { address: ADA, windowEndsAt: inHours(-1), optedOutAt: null },
    ...more,
  };
}

function inHours(hours: number): Date {
  return new Date(Date.now() + hours * 3_600_000);
}
