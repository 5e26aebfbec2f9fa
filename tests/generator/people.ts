import type { MailAddress } from '../../domain/message.ts';
import type { Language } from './languages.ts';
import type { Random } from './random.ts';

/** Somebody with an address of his own; his name is written in his own charset everywhere. */
export interface Person extends MailAddress {
  readonly language: Language;
}

export function newPerson(language: Language, random: Random, place: string): Person {
  return {
    language,
    name: random.pick(language.names),
    address: `person.${random.hex(10)}@${place}.example`,
  };
}

/** An id as mail programs make it; its domain is in lower case, so that it reads the same anywhere. */
export function newMessageId(random: Random): string {
  return random.pick([
    () => `${random.hex(16)}.${random.int(1000, 9999)}@mail-${random.int(1, 40)}.example`,
    () => `CA+${random.hex(20)}=${random.hex(6)}@mail.gmail.example`,
    () => `${random.hex(8).toUpperCase()}$${random.hex(6)}@exchange.example`,
  ])();
}
