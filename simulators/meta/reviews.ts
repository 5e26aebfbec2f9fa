import type { Reports } from './reports.ts';
import type { SimAccount, SimNumber, SimTemplate } from './world.ts';

/** What is said of a template that was looked at. */
export interface Review {
  readonly name: string;
  readonly language: string;
  readonly status: SimTemplate['status'];
  /** Of a rejected one: `INVALID_FORMAT`, `TAG_CONTENT_MISMATCH` … */
  readonly reason?: string;
}

/**
 * A template's state becomes another, and the account's app is told
 * (https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/message_template_status_update).
 * @returns whether there is such a template
 */
export function reviewTemplate(
  reports: Reports,
  account: SimAccount,
  { name, language, status, reason = 'NONE' }: Review,
): boolean {
  const template = account.templates.find((one) => one.name === name && one.language === language);
  if (!template) return false;
  template.status = status;
  template.rejected_reason = reason;
  reports.tellAccount(account, 'message_template_status_update', {
    event: status,
    message_template_id: Number(template.id),
    message_template_name: name,
    message_template_language: language,
    message_template_category: template.category,
    reason,
  });
  return true;
}

/**
 * A number's quality or its messaging limit became another, and the account's app is told
 * (https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/phone_number_quality_update).
 */
export function tellQuality(
  reports: Reports,
  { account, display, qualityRating, tier }: SimNumber,
): void {
  reports.tellAccount(account, 'phone_number_quality_update', {
    display_phone_number: display.replace(/\D/g, ''),
    event: qualityRating === 'RED' ? 'FLAGGED' : 'UNFLAGGED',
    current_limit: tier,
  });
}
