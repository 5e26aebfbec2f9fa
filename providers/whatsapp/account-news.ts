import type { WhatsAppSettings } from './manifest.ts';
import type { Change } from './webhook.ts';

/**
 * What Meta tells of a business account as a whole: of its templates, and of its numbers by what they are called alone
 * (https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/message_template_status_update
 * and its neighbours). How things stand now is read from the account: such calls may overtake each other.
 */
const FIELDS: ReadonlySet<string | undefined> = new Set([
  'message_template_status_update',
  'message_template_quality_update',
  'message_template_components_update',
  'template_category_update',
  'phone_number_quality_update',
  'phone_number_name_update',
  'business_capability_update',
  'account_update',
  'account_review_update',
]);

/** The business account that a change tells of; null where it tells of one of its numbers, or of nothing that is read. */
export function accountTold({ accountId, field, value }: Change): string | null {
  const isOfAccount = FIELDS.has(field) && value.metadata?.phone_number_id === undefined;
  return isOfAccount ? (accountId ?? null) : null;
}

export function isNewsOf(
  changes: readonly Change[],
  { business_account_id: account }: Pick<WhatsAppSettings, 'business_account_id'>,
): boolean {
  return account !== undefined && changes.some((change) => accountTold(change) === account);
}
