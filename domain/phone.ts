import { parsePhoneNumberFromString, type CountryCode } from 'libphonenumber-js/max';

/**
 * A phone number in E.164 (`+4915112345678`), however it is written; null where it is none.
 * @param country of a number that is written without its country's code: `DE`
 */
export function e164(written: string, country?: string): string | null {
  const number = parsePhoneNumberFromString(written, country as CountryCode | undefined)?.number; // an unknown one is taken as none
  return number === undefined ? null : asDialled(number);
}

/** The same, of a number that a chat service names by its digits alone; its digits where no country has it. */
export function e164OfDigits(digits: string): string {
  const bare = digits.replace(/\D/g, '');
  return e164(`+${bare}`) ?? `+${bare}`;
}

/** ISO 3166-1 alpha-2 of the country a number belongs to; null where several share its code and it fits none. */
export function countryOfPhone(number: string): string | null {
  return parsePhoneNumberFromString(number)?.country ?? null;
}

/** Whether somebody may have this number. */
export function isPossiblePhone(number: string): boolean {
  return parsePhoneNumberFromString(number)?.isPossible() ?? false;
}

/** Whether its country has given out such numbers: more than that it could be one. */
export function isValidPhone(number: string): boolean {
  return parsePhoneNumberFromString(number)?.isValid() ?? false;
}

/**
 * Accounts that were opened before a country changed its mobile numbers keep the former ones: Mexico's with a 1 after
 * the country's code, Brazil's without the 9 after the area's.
 */
function asDialled(number: string): string {
  if (/^\+521\d{10}$/.test(number)) return `+52${number.slice(4)}`;
  const brazilian = /^(\+55\d{2})([6-9]\d{7})$/.exec(number);
  return brazilian ? `${brazilian[1]!}9${brazilian[2]!}` : number;
}
