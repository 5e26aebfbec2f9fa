import { ProviderFailure } from '../../domain/failure.ts';
import type { GmailCall } from './call.ts';
import type { Ask } from './client.ts';
import { UNITS } from './quota.ts';

/** Gmail's own labels (https://developers.google.com/workspace/gmail/api/guides/labels): their id is their name. */
const SYSTEM_LABELS = new Set([
  'INBOX',
  'UNREAD',
  'STARRED',
  'IMPORTANT',
  'CATEGORY_PERSONAL',
  'CATEGORY_SOCIAL',
  'CATEGORY_PROMOTIONS',
  'CATEGORY_UPDATES',
  'CATEGORY_FORUMS',
]);

export const LABEL_MISSING = 'gmail.label_missing';

/** What no customer sent, or nobody wants: whatever else such a mail is labelled with. */
const LEFT_OUT = ['DRAFT', 'SENT', 'SPAM', 'TRASH', 'CHAT'];

/** Which mails a channel reads, by their labels' ids. */
export class LabelFilter {
  /** Empty: any. */
  readonly ids: readonly string[];

  constructor(ids: readonly string[]) {
    this.ids = ids;
  }

  /** Whether labels that a mail got make it one of the channel's. */
  includes(labelIds: readonly string[] | null | undefined): boolean {
    const given = labelIds ?? [];
    return this.ids.length === 0 || given.some((id) => this.ids.includes(id));
  }

  /** Whether labels added to a mail that was there already bring it to the channel; where all mail is read: out of spam. */
  isMovedIn(labelIds: readonly string[] | null | undefined): boolean {
    const into = this.ids.length === 0 ? ['INBOX'] : this.ids;
    return (labelIds ?? []).some((id) => into.includes(id));
  }
}

/** A draft, spam, trash, or what the account itself sent. */
export function isLeftOut(labelIds: readonly string[] | null | undefined): boolean {
  return (labelIds ?? []).some((id) => LEFT_OUT.includes(id));
}

/** The labels of the settings, each by name or id; Google is asked only where they are a user's own. @throws ProviderFailure */
export async function labelFilter(call: GmailCall, ask: Ask): Promise<LabelFilter> {
  const wanted = call.settings.labels;
  if (wanted.every((label) => SYSTEM_LABELS.has(label.toUpperCase())))
    return new LabelFilter(wanted.map((label) => label.toUpperCase()));
  const { labels = [] } = await ask(UNITS.labels, (api, options) =>
    api.users.labels.list({ userId: 'me', fields: 'labels(id,name)' }, options),
  );
  const missing = wanted.filter((label) => !labels.some(matches(label)));
  if (missing.length > 0)
    throw new ProviderFailure({
      code: LABEL_MISSING,
      class: 'give_up',
      message: `There is no label "${missing.join('", "')}" in this Gmail account. Choose another, or make it there.`,
    });
  return new LabelFilter(wanted.map((label) => labels.find(matches(label))!.id!));
}

function matches(wanted: string) {
  return ({ id, name }: { id?: string | null; name?: string | null }) =>
    id === wanted || name?.toLowerCase() === wanted.toLowerCase();
}
