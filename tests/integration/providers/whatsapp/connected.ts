import type { MetaSimulator } from '../../../../simulators/meta/simulator.ts';
import type { SimNumber } from '../../../../simulators/meta/world.ts';
import { eventually } from '../../../harness/index.ts';
import type { FaultChannel, Product } from '../faults/product.ts';

/**
 * A number's channel, once the product has asked Meta to call it.
 * @param more other settings
 * @param address of the channel; default as of any other number
 */
export async function connectedNumber(
  product: Product,
  meta: MetaSimulator,
  number: SimNumber,
  more: object = {},
  address?: string,
): Promise<FaultChannel> {
  const { account, app } = number;
  account.subscribed = false;
  const settings = { ...meta.settings(number), ...more };
  const channel = await product.channel('whatsapp', settings, address);
  await meta.connect(channel.doorUrl!, app);
  await eventually(() => {
    if (!account.subscribed) throw new Error('Nobody has asked Meta for its calls yet.');
  }, 60_000);
  return channel;
}
