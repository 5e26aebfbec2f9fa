import { chatAnswer } from '../outgoing.ts';

export const CUSTOMER = '+4915112345678';

/** An answer to the customer, inside the window. */
export const chatOf = (given?: Parameters<typeof chatAnswer>[1]) => chatAnswer(CUSTOMER, given);
