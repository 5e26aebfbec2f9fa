import { patched } from '@temporalio/workflow';
import type { MailboxPlan, Synced, Watch } from './contracts/mailbox-activities.ts';
import type { MailboxNews } from './contracts/mailbox.ts';

/** Of a watch's life, what is left of it when it is renewed: of seven days about a day and a half to two. */
const LEAST_MARGIN = 0.2;
const MOST_MARGIN = 0.3;
/** However short a life the vendor gives a watch: between two renewals. */
const LEAST_INTERVAL_MS = 60_000;
const FIRST_RETRY_MS = 60_000;
const LONGEST_RETRY_MS = 3_600_000;
/** Mail this old, found by a sweep, is mail that push should have told of. */
const SILENT_AFTER_MS = 5 * 60_000;

/** What a mailbox knows of its push subscription: when to renew it, and whether it can be relied on. */
export class PushWatch {
  /** Push did not tell of mail that a sweep found. */
  silent: boolean;
  #watch: Watch | null = null;
  #renewAt = Infinity;
  #failures = 0;
  #trouble: string | null = null;
  #refusal: { readonly type: string; readonly detail: string } | null = null;
  #pushes = 0;
  #asked: boolean;
  /** The renewal under way answers the vendor's word. */
  #answers = false;

  constructor(silent: boolean, asked: boolean) {
    this.silent = silent;
    this.#asked = asked;
  }

  /** The vendor said that the subscription is gone or about to be, and it has not been made anew since. */
  get isAsked(): boolean {
    return this.#asked;
  }

  /** Begins anew with what is known of the channel; one whose provider has no such thing is never due. */
  plan({ renews, watch }: MailboxPlan): void {
    this.#watch = watch ?? null;
    this.#failures = 0;
    this.#trouble = null;
    this.#refusal = null;
    // A renewal that was cut off answered nothing.
    this.#asked ||= this.#answers;
    this.#answers = false;
    if (!renews) {
      this.#renewAt = Infinity;
      this.#asked = false;
      return;
    }
    this.#renewAt = this.#watch ? renewalOf(this.#watch) : 0;
    // What is known of the channel does not know of it.
    if (this.#asked && patched('renewal asked for before the plan')) this.#renewAt = 0;
  }

  hear({ push = false, renew = false }: MailboxNews): void {
    if (push) {
      this.#pushes += 1;
      this.silent = false;
    }
    if (!renew) return;
    this.#asked = true;
    if (this.#renewAt !== Infinity) this.#renewAt = 0;
  }

  /** How many pushes have come: for `swept`. */
  get pushes(): number {
    return this.#pushes;
  }

  isDue(): boolean {
    return Date.now() >= this.#renewAt;
  }

  /** Milliseconds until it is; Infinity where it never is. */
  untilDue(): number {
    return Math.max(0, this.#renewAt - Date.now());
  }

  /** The vendor tells of mail, as far as we know. */
  isReliable(): boolean {
    return this.#isLive() && !this.silent;
  }

  /** What the vendor says from here on is not answered by this renewal. */
  renewing(): void {
    this.#answers = this.#asked;
    this.#asked = false;
  }

  /** Returns whether there was none before, as far as we know: mail that came in between was told by nobody. */
  renewed(watch: Watch | null): boolean {
    const wasLive = this.#isLive();
    const wasAsked = this.#answers;
    this.#answers = false;
    this.#watch = watch;
    this.#failures = 0;
    this.#trouble = null;
    this.#refusal = null;
    this.#renewAt = watch ? renewalOf(watch) : Infinity;
    if (watch === null) {
      this.#asked = false;
      return false;
    }
    if (this.#asked && patched('renewal asked for while one was under way')) this.#renewAt = 0;
    return !wasLive || (wasAsked && patched('sync after a renewal that was asked for'));
  }

  failed({ type, detail, class: kind }: { type: string; detail: string; class: string }): void {
    this.#failures += 1;
    this.#asked ||= this.#answers;
    this.#answers = false;
    this.#trouble = detail;
    this.#refusal = kind === 'reauthenticate' || kind === 'give_up' ? { type, detail } : null;
    this.#renewAt =
      Date.now() +
      Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures - 1, 10));
  }

  /** What a sweep found though push was at work, and no push came meanwhile. */
  swept({ oldestAt }: Synced, pushesBefore: number): void {
    if (!oldestAt || !this.#isLive() || this.#pushes !== pushesBefore) return;
    const came = Date.parse(oldestAt);
    const isOld = came < Date.now() - SILENT_AFTER_MS;
    if (isOld && came > Date.parse(this.#watch!.renewedAt)) this.silent = true;
  }

  /** What only an admin can put right; null where there is nothing of it. */
  get refusal(): { readonly type: string; readonly detail: string } | null {
    return this.#refusal;
  }

  /** Of a door that the vendor calls only as long as it is asked to. */
  doorDetail(): string {
    return this.#trouble === null
      ? 'The door is open.'
      : `The door is open, but the vendor could not be asked to call it. ${this.#trouble}`;
  }

  /** Plain words for the admin. */
  detail(): string {
    if (this.#trouble !== null)
      return this.#isLive()
        ? `Waiting for mail. The push subscription could not be renewed; it lasts until ${this.#watch!.expiresAt}. ${this.#trouble}`
        : `Waiting for mail by looking for it now and then: the vendor's push could not be set up. ${this.#trouble}`;
    if (this.silent)
      return (
        'Waiting for mail by looking for it now and then: push is silent. A look found mail that the vendor had not ' +
        'told of; check its push settings and whether it reaches the public address of this installation.'
      );
    return this.#isLive() ? 'Waiting for mail; the vendor tells of it.' : 'Waiting for mail.';
  }

  #isLive(): boolean {
    return this.#watch !== null && Date.parse(this.#watch.expiresAt) > Date.now();
  }
}

/** Spread by chance, which is the same at every replay, so that a thousand mailboxes are not renewed in one minute. */
function renewalOf({ renewedAt, expiresAt }: Watch): number {
  const end = Date.parse(expiresAt);
  const begin = Date.parse(renewedAt);
  const life = Math.max(0, end - begin);
  const at = end - life * (LEAST_MARGIN + (MOST_MARGIN - LEAST_MARGIN) * Math.random());
  const least = begin + LEAST_INTERVAL_MS;
  return at < least && patched('least interval of renewals') ? least : at;
}
