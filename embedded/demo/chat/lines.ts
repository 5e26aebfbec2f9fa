import type { CustomerFile } from '../../../simulators/meta/customers.ts';
import type { MetaSimulator } from '../../../simulators/meta/simulator.ts';
import type { SimNumber, SimPage } from '../../../simulators/meta/world.ts';

/** A number or a page, with one customer who writes to it. */
export interface ChatLine {
  /** `WhatsApp`. */
  readonly title: string;
  readonly provider: 'whatsapp' | 'messenger';
  readonly settings: object;
  readonly customer: string;
  /** What may be sent once the window has ended. */
  readonly afterwards: Readonly<Record<string, unknown>>;
  /** The same in words. */
  readonly afterwardsInWords: string;
  writes(text: string): string;
  sendsPicture(file: CustomerFile): string;
  /** Ids of what the business sent, as Meta has them, oldest first. */
  sent(): readonly string[];
  /** Whether the customer sees that what was written has been read. */
  isMarkedRead(id: string): boolean;
}

const ADA = 'Ada Lovelace';

export function whatsappLine(meta: MetaSimulator, digits: string): ChatLine {
  const number: SimNumber = meta.number({ display: `+49 30 ${digits}`, verifiedName: 'Demo' });
  const phone = `4915112${digits}`;
  const from = { phone, name: ADA };
  return {
    title: 'WhatsApp',
    provider: 'whatsapp',
    settings: meta.settings(number),
    customer: `+${phone}`,
    afterwards: {
      template: {
        name: 'ticket_update',
        language: 'en_US',
        values: { 'body.1': 'Ada', 'body.2': `#${digits}` },
      },
    },
    afterwardsInWords: 'the approved template ticket_update',
    writes: (text) => meta.writes(number, from, { text }),
    sendsPicture: (file) => meta.writes(number, from, { file }),
    sent: () => number.sent.map(({ id }) => id),
    isMarkedRead: (id) => number.marked.includes(id),
  };
}

export function messengerLine(meta: MetaSimulator, digits: string): ChatLine {
  const page: SimPage = meta.page({ name: 'Demo' });
  const psid = `7000000${digits}000`;
  const from = { psid, name: ADA };
  return {
    title: 'Messenger',
    provider: 'messenger',
    settings: meta.settings(page),
    customer: psid,
    afterwards: { text: 'We have found your parcel.', tag: 'HUMAN_AGENT' },
    afterwardsInWords: 'the tag HUMAN_AGENT, for seven days after she wrote',
    writes: (text) => meta.says(page, from, { text }),
    sendsPicture: (file) =>
      meta.says(page, from, { files: [file], ...(file.caption && { text: file.caption }) }),
    sent: () => page.sent.map(({ id }) => id),
    isMarkedRead: () => page.marked.includes(psid),
  };
}
