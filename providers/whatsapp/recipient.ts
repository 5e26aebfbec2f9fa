/**
 * Whom a message goes to: a number, or the id that Meta gives for somebody who keeps it to himself
 * (https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids).
 */
export function recipientOf(address: string): { to: string } | { recipient: string } {
  return /^[A-Z]{2}\./.test(address) ? { recipient: address } : { to: address };
}
