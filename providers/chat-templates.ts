import { ProviderFailure } from '../domain/failure.ts';
import type { MessageTemplate } from '../domain/message-template.ts';
import type { ChatCapability, ProviderCall } from './contract.ts';

/** No account has more; a list that never ends is a fault. */
const MOST = 20_000;

/** All templates of an account. @throws ProviderFailure */
export async function allTemplates(
  { templates }: ChatCapability<unknown>,
  call: ProviderCall<unknown>,
): Promise<MessageTemplate[]> {
  const all: MessageTemplate[] = [];
  if (!templates) return all;
  for await (const template of templates(call)) {
    call.heartbeat();
    call.signal.throwIfAborted();
    if (all.push(template) < MOST) continue;
    throw new ProviderFailure({
      code: 'templates.endless',
      class: 'give_up',
      message: `The account lists more than ${MOST} templates.`,
    });
  }
  return all;
}
