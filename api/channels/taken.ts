import { AccountTaken } from '../../db/queries/channel-accounts.ts';
import { AddressTaken } from '../../db/queries/channel-addresses.ts';
import { Problem } from '../problem.ts';

/** An address or account that another channel has, as a problem. @throws Problem 409; all else as it is */
export function asTaken(error: unknown): never {
  if (error instanceof AccountTaken)
    throw new Problem(409, 'account_taken', error.message, {
      errors: [{ pointer: '/settings', message: 'another channel is connected to this account' }],
    });
  if (!(error instanceof AddressTaken)) throw error;
  throw new Problem(409, 'address_taken', `${error.message} Give it up there, or take another.`, {
    errors: [{ pointer: '/address', message: `"${error.address}" is taken` }],
  });
}
