import type { ProviderCall } from '../../../../providers/contract.ts';
import { WhatsAppSettings } from '../../../../providers/whatsapp/manifest.ts';
import { metaSimulator, type MetaSimulator } from '../../../../simulators/meta/simulator.ts';
import type { SimNumber } from '../../../../simulators/meta/world.ts';
import { providerCall } from '../call.ts';

export interface WhatsAppFixture {
  readonly simulator: MetaSimulator;
  readonly number: SimNumber;
  /** A call of the number's channel. */
  call(
    settings?: Record<string, unknown>,
    more?: Partial<ProviderCall<WhatsAppSettings>>,
  ): ProviderCall<WhatsAppSettings>;
  close(): Promise<void>;
}

/** A number at a simulated Meta. */
export async function whatsappFixture(): Promise<WhatsAppFixture> {
  const simulator = await metaSimulator();
  const number = simulator.number();
  return {
    simulator,
    number,
    call: (settings = {}, more = {}) =>
      providerCall(WhatsAppSettings.parse({ ...simulator.settings(number), ...settings }), more),
    close: () => simulator.close(),
  };
}
