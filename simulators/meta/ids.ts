import { randomBytes } from 'node:crypto';

/** As WhatsApp names a message: `wamid.` and base64, of up to 64 letters in all. */
export const newWamid = (): string => `wamid.HBgN${randomBytes(27).toString('base64')}`;

/** As Messenger names a message. */
export const newMid = (): string => `m_${randomBytes(48).toString('base64url')}`;

/** Graph nodes, accounts and page-scoped people have whole numbers of fifteen to seventeen digits. */
export const newNodeId = (digits = 15): string =>
  `1${Array.from(randomBytes(digits - 1), (byte) => byte % 10).join('')}`;

export const newToken = (): string => `EAA${randomBytes(40).toString('hex')}`;

export const newTrace = (): string => `A${randomBytes(8).toString('base64url')}`;
