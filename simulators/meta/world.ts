import { newNodeId, newToken } from './ids.ts';
import type { Refusal } from './errors.ts';
import { MediaStore, type SimMedia } from './media-store.ts';

/** An app at Meta: it has one secret, and calls one address for all accounts that it looks after. */
export interface SimApp {
  readonly id: string;
  secret: string;
  readonly verifyToken: string;
  /** Where webhooks go; null before `connect`. */
  callbackUrl: string | null;
  /** "Require app secret" is on: calls without a right `appsecret_proof` are refused. */
  requiresProof: boolean;
}

export interface SimToken {
  readonly value: string;
  readonly app: SimApp;
  readonly permissions: Set<string>;
  state: 'good' | 'expired' | 'revoked';
}

export interface SimTemplate {
  readonly id: string;
  readonly name: string;
  readonly language: string;
  status: 'APPROVED' | 'PENDING' | 'REJECTED' | 'PAUSED' | 'DISABLED';
  readonly category: string;
  readonly components: readonly TemplateComponent[];
  readonly parameter_format?: 'POSITIONAL' | 'NAMED';
  rejected_reason?: string;
}

export interface TemplateComponent {
  readonly type: 'HEADER' | 'BODY' | 'FOOTER' | 'BUTTONS';
  readonly format?: 'TEXT' | 'IMAGE' | 'VIDEO' | 'DOCUMENT' | 'LOCATION';
  readonly text?: string;
  readonly buttons?: readonly {
    readonly type: string;
    readonly text: string;
    readonly url?: string;
  }[];
  readonly example?: object;
}

/** A WhatsApp Business Account: its numbers share templates and one subscription. */
export interface SimAccount {
  readonly id: string;
  readonly app: SimApp;
  readonly templates: SimTemplate[];
  subscribed: boolean;
  /** Where its webhooks go in place of the app's address. */
  overrideUrl: string | null;
  /** Whom its numbers wrote to outside a window, by address: when last; of all its portfolio, played as of one account. */
  readonly wroteFirst: Map<string, number>;
}

/** What a number or a page sent, and what became of it. */
export interface SentChat {
  readonly id: string;
  readonly at: Date;
  /** `whatsapp`: digits; `messenger`: the page-scoped id. */
  readonly to: string;
  /** As the API was given it. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Every status that was reported of it, oldest first. */
  readonly statuses: string[];
}

/** What a number and a page have in common: a counterpart that customers write to. */
export interface SimLine {
  readonly id: string;
  readonly app: SimApp;
  readonly token: SimToken;
  readonly sent: SentChat[];
  /** Message ids that the business marked as read, or whose sender it showed as seen. */
  readonly marked: string[];
  /** When each customer wrote last, by address; in the world's own time. */
  readonly wroteAt: Map<string, number>;
  /** What the next sends are refused with, oldest first. */
  readonly refusals: (Refusal & { readonly as: 'answer' | 'status' })[];
  /** At most so many sends a second; null: of a number as its throughput says, of a page any. */
  perSecond: number | null;
  readonly sentAt: number[];
}

export interface SimNumber extends SimLine {
  readonly kind: 'number';
  readonly account: SimAccount;
  /** As shown, `+1 555 010 0000`. */
  readonly display: string;
  readonly verifiedName: string;
  qualityRating: 'GREEN' | 'YELLOW' | 'RED' | 'UNKNOWN';
  throughput: 'STANDARD' | 'HIGH' | 'NOT_APPLICABLE';
  /** Of the portfolio: `TIER_250`. */
  tier: string;
  status: string;
  nameStatus: string;
  /** It is used in the WhatsApp Business app, too. */
  onBusinessApp: boolean;
  /** Numbers that WhatsApp can't reach. */
  readonly unreachable: Set<string>;
  /** One message to one customer in so long, of which so many may come at once; null: any. */
  pair: { readonly everyMs: number; readonly burst: number } | null;
  /** By customer: until when what was sent is made up for. */
  readonly pairs: Map<string, number>;
}

export interface SimPage extends SimLine {
  readonly kind: 'page';
  readonly name: string;
  /** Webhook fields the page is subscribed to by the app; empty: not subscribed. */
  readonly fields: Set<string>;
  readonly people: Map<string, { readonly first: string; readonly last: string }>;
  /** Files of what was written to the page, by message. */
  readonly files: Map<string, readonly SimMedia[]>;
  /** Utility messages. */
  readonly templates: SimTemplate[];
}

const WHATSAPP_PERMISSIONS = ['whatsapp_business_messaging', 'whatsapp_business_management'];
const PAGE_PERMISSIONS = [
  'pages_messaging',
  'pages_manage_metadata',
  'pages_show_list',
  'human_agent',
  'user_profile',
  'page_utility_messaging',
];

/** All that Meta knows, and its clock. */
export class World {
  readonly apps = new Map<string, SimApp>();
  readonly tokens = new Map<string, SimToken>();
  readonly accounts = new Map<string, SimAccount>();
  readonly numbers = new Map<string, SimNumber>();
  readonly pages = new Map<string, SimPage>();
  readonly media = new MediaStore(() => this.now());
  /** After a customer's message free text may be sent for so long. */
  windowMs = 24 * 3_600_000;
  /** Whether a refused window, recipient or template shows in the answer, or in a `failed` status after a 200. */
  windowRefusal: 'answer' | 'status' = 'status';
  #aheadMs = 0;

  /** Milliseconds since 1970, as Meta's clock says. */
  now(): number {
    return Date.now() + this.#aheadMs;
  }

  /** Meta's clock jumps on: windows and links end, timestamps are later. */
  advance(ms: number): void {
    this.#aheadMs += ms;
  }

  app(given: Partial<SimApp> = {}): SimApp {
    const app: SimApp = {
      id: newNodeId(),
      secret: 'app-secret',
      verifyToken: 'verify-me',
      callbackUrl: null,
      requiresProof: false,
      ...given,
    };
    this.apps.set(app.id, app);
    return app;
  }

  token(app: SimApp, permissions: readonly string[]): SimToken {
    const token: SimToken = {
      value: newToken(),
      app,
      permissions: new Set(permissions),
      state: 'good',
    };
    this.tokens.set(token.value, token);
    return token;
  }

  account(app: SimApp): SimAccount {
    const account: SimAccount = {
      id: newNodeId(),
      app,
      templates: [],
      subscribed: true,
      overrideUrl: null,
      wroteFirst: new Map(),
    };
    this.accounts.set(account.id, account);
    return account;
  }

  number(account: SimAccount, given: Partial<SimNumber> = {}): SimNumber {
    const line = this.#line(account.app, WHATSAPP_PERMISSIONS);
    const number: SimNumber = {
      ...line,
      kind: 'number',
      account,
      display: `+1 555 01${String(this.numbers.size).padStart(2, '0')} 000`,
      verifiedName: 'Postroom Test',
      qualityRating: 'GREEN',
      throughput: 'STANDARD',
      tier: 'TIER_2K',
      status: 'CONNECTED',
      nameStatus: 'APPROVED',
      onBusinessApp: false,
      unreachable: new Set(),
      pair: { everyMs: 6000, burst: 45 },
      pairs: new Map(),
      ...given,
    };
    this.numbers.set(number.id, number);
    return number;
  }

  page(app: SimApp, given: Partial<SimPage> = {}): SimPage {
    const page: SimPage = {
      ...this.#line(app, PAGE_PERMISSIONS),
      kind: 'page',
      name: 'Postroom Page',
      fields: new Set(),
      people: new Map(),
      files: new Map(),
      templates: [],
      ...given,
    };
    this.pages.set(page.id, page);
    return page;
  }

  /** Until when the customer may be sent free text; null where they never wrote. */
  windowEndsAt(line: SimLine, customer: string): number | null {
    const wrote = line.wroteAt.get(customer);
    return wrote === undefined ? null : wrote + this.windowMs;
  }

  isOpen(line: SimLine, customer: string): boolean {
    return (this.windowEndsAt(line, customer) ?? 0) > this.now();
  }

  #line(app: SimApp, permissions: readonly string[]): SimLine {
    return {
      id: newNodeId(),
      app,
      token: this.token(app, permissions),
      sent: [],
      marked: [],
      wroteAt: new Map(),
      refusals: [],
      perSecond: null,
      sentAt: [],
    };
  }
}
