import { isDeliverable } from './mail/addresses.ts';
import { e164, isPossiblePhone, isValidPhone } from './phone.ts';

// One person's address on any channel: mail, a phone number in E.164, or a vendor's own id of them.

const PUNCTUATED = /^[\d\s().\-/+]+$/;
/** Of Messenger, digits; of WhatsApp's people without a number, with their country before it. */
const VENDOR_ID = /^(\d{5,30}|[a-z]{2}\.[\w.-]{5,128})$/;

export type ReadAddress =
  { readonly ok: true; readonly address: string } | { readonly ok: false; readonly why: string };

/**
 * An address as contacts keep it, however it was written: mail in lower case, numbers in E.164, ids as they are.
 * @param isKnownId digits alone are an id where some conversation has it, else a number where one can be dialled
 */
export function readContactAddress(
  written: string,
  isKnownId: (digits: string) => boolean,
): ReadAddress {
  const text = written.trim().toLowerCase();
  if (text.includes('@'))
    return isDeliverable(text) ? read(text) : refused(`"${written}" is no mail address`);
  if (/^[1-9]\d*$/.test(text)) return readDigits(text, isKnownId);
  if (/^(\+|00)/.test(text) && PUNCTUATED.test(text)) return readNumber(written, text);
  if (PUNCTUATED.test(text) && /\d/.test(text))
    return refused(
      `"${written}" lacks its country's code: write the number as it is dialled from abroad, such as +49 151 12345678`,
    );
  if (VENDOR_ID.test(text)) return read(text);
  return refused(
    `"${written}" is neither a mail address (ada@example.com), nor a number with its country's code (+49 151 12345678), nor a chat's own id`,
  );
}

function readNumber(written: string, text: string): ReadAddress {
  const number = e164(text.replace(/^00/, '+'));
  return number !== null && isPossiblePhone(number)
    ? read(number)
    : refused(`"${written}" is no phone number that can be dialled: it is too long or too short`);
}

function readDigits(digits: string, isKnownId: (digits: string) => boolean): ReadAddress {
  if (isKnownId(digits)) return read(digits);
  const number = e164(`+${digits}`);
  if (number !== null && isValidPhone(number)) return read(number);
  return VENDOR_ID.test(digits)
    ? read(digits)
    : refused(`"${digits}" is neither a phone number nor a chat's own id`);
}

/** The beginnings of addresses that somebody may mean who searches for this. */
export function addressPrefixes(searched: string): string[] {
  const text = searched.trim().toLowerCase();
  const digits = text.replaceAll(/\D/g, '');
  if (!PUNCTUATED.test(text) || digits.length < 3) return [text];
  if (/^(\+|00)/.test(text)) {
    const dialled = `+${text.startsWith('+') ? digits : digits.slice(2)}`;
    return [...new Set([dialled, e164(dialled) ?? dialled])];
  }
  const number = e164(`+${digits}`);
  return [...new Set([text, digits, `+${digits}`, ...(number === null ? [] : [number])])];
}

/** The end of numbers that are meant where one is searched as it is dialled within its country; null where it isn't. */
export function nationalEnding(searched: string): string | null {
  const text = searched.trim();
  if (!PUNCTUATED.test(text) || !/^\(?0[^0]/.test(text)) return null;
  const digits = text.replaceAll(/\D/g, '').slice(1);
  return digits.length < 5 ? null : digits;
}

/** Enough of an address for its owner to know it again, and for nobody else to learn it. */
export function maskedAddress(address: string): string {
  const at = address.lastIndexOf('@');
  if (at > 0) return `${address.slice(0, 1)}•••${address.slice(at)}`;
  return address.startsWith('+')
    ? `${address.slice(0, 3)} ••• ${address.slice(-3)}`
    : `••• ${address.slice(-4)}`;
}

function read(address: string): ReadAddress {
  return { ok: true, address };
}

function refused(why: string): ReadAddress {
  return { ok: false, why };
}
