import { z } from 'zod';
import type { AccountHealth } from '../../domain/account-health.ts';
import type { SendingPace } from '../contract.ts';
import { asked, graphRequest, type WhatsAppCall } from './client.ts';

const text = z.string().optional().catch(undefined);

const PhoneNumber = z.looseObject({
  id: z.string(),
  display_phone_number: text,
  verified_name: text,
  quality_rating: text,
  name_status: text,
  code_verification_status: text,
  status: text,
  whatsapp_business_manager_messaging_limit: text,
  throughput: z.looseObject({ level: text }).optional().catch(undefined),
  is_on_biz_app: z.boolean().optional().catch(undefined),
});
export type PhoneNumber = z.infer<typeof PhoneNumber>;

const FIELDS = Object.keys(PhoneNumber.shape).join(',');

/**
 * Messages a second, by the number's level; a number that is used in the WhatsApp Business app, too, has a fixed one
 * (https://developers.facebook.com/documentation/business-messaging/whatsapp/throughput).
 */
const LEVELS: Readonly<Record<string, number>> = { STANDARD: 80, HIGH: 1000 };
const BESIDE_THE_APP = 20;

/**
 * The throughput of any number; and one message in six seconds to one customer, of which 45 may come at once and are
 * made up for by as long a silence (the same page, "Pair rate limits").
 */
export const pace: SendingPace = {
  perSecond: LEVELS['STANDARD']!,
  perCustomer: { everyMs: 6000, burst: 45 },
};

/**
 * https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/phone-numbers. What the
 * number's own `messaging_limit_tier` was is the portfolio's now
 * (https://developers.facebook.com/documentation/business-messaging/whatsapp/messaging-limits).
 */
export async function readNumber(call: WhatsAppCall): Promise<PhoneNumber> {
  const query = { fields: FIELDS };
  const request = await graphRequest(call, 'GET', `/${call.settings.phone_number_id}`, { query });
  return asked(call, request, PhoneNumber);
}

export async function health(call: WhatsAppCall): Promise<AccountHealth> {
  return healthOf(await readNumber(call));
}

export function healthOf(number: PhoneNumber): AccountHealth {
  const { throughput, whatsapp_business_manager_messaging_limit: tier } = number;
  const told = {
    quality_rating: number.quality_rating,
    status: number.status,
    name_status: number.name_status,
    messaging_limit: tier,
    throughput: throughput?.level,
  };
  return {
    quality: QUALITIES[number.quality_rating ?? ''] ?? 'unknown',
    connected: isConnected(number.status),
    name_approved: NAMES[number.name_status ?? ''] ?? null,
    customers_a_day: customersOf(tier),
    messages_a_second: number.is_on_biz_app
      ? BESIDE_THE_APP
      : (LEVELS[throughput?.level ?? ''] ?? null),
    warnings: warningsOf(number),
    told: Object.fromEntries(
      Object.entries(told).flatMap(([name, word]) => (word === undefined ? [] : [[name, word]])),
    ),
  };
}

const QUALITIES: Readonly<Record<string, AccountHealth['quality']>> = {
  GREEN: 'high',
  YELLOW: 'medium',
  RED: 'low',
};

const NAMES: Readonly<Record<string, boolean>> = {
  APPROVED: true,
  AVAILABLE_WITHOUT_REVIEW: true,
  DECLINED: false,
  EXPIRED: false,
  NONE: false,
};

/** In these a number sends, with less reach in the latter. */
const CONNECTED = ['CONNECTED', 'FLAGGED', 'RESTRICTED', 'RATE_LIMITED'];

function isConnected(status: string | undefined): boolean | null {
  return status === undefined || status === 'UNKNOWN' ? null : CONNECTED.includes(status);
}

/** `TIER_250`, `TIER_10K`, `TIER_UNLIMITED`; `TIER_NOT_SET` before the first message. */
function customersOf(tier: string | undefined): AccountHealth['customers_a_day'] {
  if (tier === 'TIER_UNLIMITED') return 'unlimited';
  const [, count, thousands] = /^TIER_(\d+)(K?)$/.exec(tier ?? '') ?? [];
  return count === undefined ? null : Number(count) * (thousands === 'K' ? 1000 : 1);
}

/** What an admin should know of a number that works. */
function warningsOf(number: PhoneNumber): string[] {
  const shown = number.display_phone_number ?? number.id;
  const { quality_rating: quality, status, name_status: name } = number;
  const off: [boolean, string][] = [
    [
      quality === 'YELLOW' || quality === 'RED',
      `${shown} has the quality rating ${quality}: customers block it or call it spam, and WhatsApp may limit how much it sends.`,
    ],
    [
      status === 'FLAGGED',
      `WhatsApp has flagged ${shown} (FLAGGED): too many customers block it or call it spam. Send fewer templates that weren’t asked for, until its quality is better.`,
    ],
    [
      status === 'RESTRICTED' || status === 'RATE_LIMITED',
      `WhatsApp restricts ${shown} (${status}): it has written to as many customers as it may within 24 hours. Whoever writes is answered all the same.`,
    ],
    [
      isConnected(status) === false,
      `${shown} has the status ${status} at WhatsApp: see WhatsApp Manager.`,
    ],
    [
      name === 'DECLINED' || name === 'EXPIRED',
      `The display name of ${shown} (${number.verified_name}) is ${name?.toLowerCase()} at WhatsApp.`,
    ],
    [
      ['EXPIRED', 'NOT_VERIFIED', 'UNVERIFIED'].includes(number.code_verification_status ?? ''),
      `${shown} is not verified at WhatsApp (${number.code_verification_status}).`,
    ],
    [
      number.throughput?.level === 'NOT_APPLICABLE',
      `WhatsApp gives ${shown} no throughput: it can’t send yet.`,
    ],
  ];
  return off.flatMap(([is, words]) => (is ? [words] : []));
}

/** `+1 555 …: Shop, quality GREEN, throughput STANDARD (80 messages a second), 2,000 new customers a day` */
export function factsOf(number: PhoneNumber): string {
  const { messages_a_second: rate, customers_a_day: customers } = healthOf(number);
  const level = number.throughput?.level;
  const parts = [
    number.verified_name,
    number.quality_rating && `quality ${number.quality_rating}`,
    level &&
      `throughput ${level}${rate === null ? '' : ` (${rate.toLocaleString('en-US')} messages a second)`}`,
    customers !== null && `${customers.toLocaleString('en-US')} new customers a day`,
  ].filter(Boolean);
  return `${number.display_phone_number ?? number.id}: ${parts.join(', ')}`;
}
