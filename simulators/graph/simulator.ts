import express, { type Request, type Response, type Router } from 'express';
import type { FaultKind, Faults, SeenRequest, Simulator } from '../contract.ts';
import { createConsentEnd, type ConsentEnd } from '../oidc/consent-end.ts';
import { MICROSOFT_TENANT } from '../oidc/vendors.ts';
import { createSimulatorServer, rawBody } from '../server.ts';
import { askPart, batchOf, doParts, type BatchTraits } from './batch.ts';
import { graphControls } from './controls.ts';
import { graphDescription } from './description.ts';
import { graphError, wording } from './errors.ts';
import { mailRoutes, slowly, type Pace } from './mail-routes.ts';
import { DeltaTokens } from './queries.ts';
import { SimMailbox, type SimMessage } from './state.ts';
import { Subscriptions } from './subscriptions.ts';
import { Uploads } from './uploads.ts';

/** https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits */
const MOST_AT_ONCE = 4;
const EVERY_PERMISSION = [
  'Mail.Read',
  'Mail.ReadWrite',
  'Mail.Send',
  'Chat.Create',
  'ChatMember.ReadWrite',
  'User.Read.All',
] as const;

/** Whose token a request carries; address null: the application's own. */
interface Grant {
  readonly address: string | null;
  readonly scopes: ReadonlySet<string>;
}

export interface GraphSimulator extends Simulator {
  readonly consent: ConsentEnd;
  /** Settings of a channel that reads a mailbox by the application's own credentials. */
  application(address: string): Record<string, unknown>;
  /** Settings of a channel whose account was connected. */
  delegated(address: string): Promise<Record<string, unknown>>;
  readonly subscriptions: Subscriptions;
  readonly deltas: DeltaTokens;
  /** What came within batches: each is answered, and fails, by itself; the log of requests shows only the batches. */
  readonly batched: { readonly requests: readonly SeenRequest[]; readonly faults: Faults };
  readonly batching: BatchTraits;
  /** What the application was granted; take one away, and its calls are refused. */
  readonly permissions: Set<string>;
  readonly mailboxes: ReadonlyMap<string, SimMailbox>;
  /** The mailbox of this address; made where there is none. */
  mailbox(address: string): SimMailbox;
  /** Somebody's mail comes into the mailbox. Bare line ends become CRLF. */
  deliver(
    address: string,
    raw: string | Buffer,
    how?: { folder?: string; receivedAt?: Date },
  ): SimMessage;
  /** Whether drafts keep the Message-ID of their MIME (as it is), or at least take one that is put into them. */
  keepMessageIds(kept: 'always' | 'when_put' | 'never'): void;
  /** From now on MIME comes in so many parts, so many milliseconds apart. */
  trickle(parts: number, ms: number): void;
  /** The next draft that is to be sent is refused for good. */
  refuseNextSend(): void;
  /** All that left every mailbox, oldest first. */
  sent(): Buffer[];
}

const CONSENTED = [
  'profile',
  ...['.default', 'Mail.ReadWrite', 'Mail.Send'].map(
    (scope) => `https://graph.microsoft.com/${scope}`,
  ),
];

export interface GraphOptions {
  readonly port?: number;
  /** How long access tokens last; default an hour. */
  readonly accessTokenSeconds?: number;
}

/** Microsoft Graph's mail, with sign-in and change notifications, on loopback. */
export async function graphSimulator({
  port,
  accessTokenSeconds,
}: GraphOptions = {}): Promise<GraphSimulator> {
  const consent = await createConsentEnd({
    vendor: 'microsoft',
    ...(accessTokenSeconds !== undefined && { accessTokenSeconds }),
  });
  const subscriptions = new Subscriptions(MICROSOFT_TENANT);
  const deltas = new DeltaTokens();
  const permissions = new Set<string>(EVERY_PERMISSION);
  const mailboxes = new Map<string, SimMailbox>();
  const sentMails: Buffer[] = [];
  let refusals = 0;
  const messageIds = { kept: 'always' as 'always' | 'when_put' | 'never' };
  const pace: Pace = { parts: 1, ms: 0 };
  const batching: BatchTraits = {
    isOn: true,
    mime: 'base64',
    pace: { parts: 1, ms: 0 },
  };
  let url = '';
  const baseUrl = () => url;
  const uploads = new Uploads(baseUrl);

  function mailbox(address: string): SimMailbox {
    const key = address.toLowerCase();
    if (!mailboxes.has(key)) mailboxes.set(key, new SimMailbox(key));
    return mailboxes.get(key)!;
  }
  const known = (name: string) =>
    mailboxes.get(name.toLowerCase()) ??
    [...mailboxes.values()].find(({ userId }) => userId === name);

  function application(address: string) {
    const { address: ofMailbox } = mailbox(address);
    return {
      tenant_id: MICROSOFT_TENANT,
      client_id: consent.clientId,
      client_secret: consent.clientSecret,
      mailbox: ofMailbox,
      base_url: url,
    };
  }

  async function delegated(address: string) {
    const { mailbox: _mailbox, ...app } = application(address);
    return { ...app, refresh_token: await consent.grant(address, CONSENTED) };
  }

  function deliver(
    address: string,
    raw: string | Buffer,
    how: { folder?: string; receivedAt?: Date } = {},
  ) {
    const mime = Buffer.from(
      Buffer.from(raw).toString('latin1').replace(/\r?\n/g, '\r\n'),
      'latin1',
    );
    const box = mailbox(address);
    const message = box.add(how.folder ?? 'inbox', mime, how);
    subscriptions.created(box, message);
    return message;
  }

  const signedIn: express.RequestHandler = async (request, response, next) => {
    const token = request.headers.authorization?.replace(/^Bearer /, '') ?? '';
    const bearer = await consent.bearer(token);
    if (!bearer)
      return graphError(
        response,
        401,
        'InvalidAuthenticationToken',
        'Access token is empty, expired or not valid.',
      );
    const scopes = bearer.scopes.map((scope) => scope.replace(/^https:.*\//, ''));
    response.locals['grant'] = { address: bearer.address, scopes: new Set(scopes) } satisfies Grant;
    next();
  };
  /** What the app was granted and, where it acts for an account, the account consented to. */
  const isGranted = ({ address, scopes }: Grant, permission: string) =>
    permissions.has(permission) &&
    (address === null || scopes.has(permission) || scopes.has('.default'));

  /** Whose mailbox a path under `/me` or `/users/{id}` means, and whether the caller may use it. */
  function open(
    request: Request,
    response: Response,
    wanted: readonly string[],
  ): SimMailbox | null {
    const grant = response.locals['grant'] as Grant; // set by signedIn
    const user = response.locals['user'] as string | undefined;
    if (user === undefined && grant.address === null) {
      graphError(
        response,
        400,
        'BadRequest',
        '/me request is only valid with delegated authentication flow.',
      );
      return null;
    }
    const box = known(user ?? grant.address!);
    if (!wanted.some((permission) => isGranted(grant, permission))) {
      graphError(
        response,
        403,
        'ErrorAccessDenied',
        'Access is denied. Check credentials and try again.',
      );
      return null;
    }
    if (!box) {
      graphError(response, 404, 'ErrorInvalidUser', `The requested user '${user}' is invalid.`);
      return null;
    }
    if (grant.address !== null && box !== known(grant.address)) {
      graphError(
        response,
        403,
        'ErrorAccessDenied',
        'Access is denied. Check credentials and try again.',
      );
      return null;
    }
    return occupy(box, response) ? box : null;
  }

  function may(response: Response, permission: string): boolean {
    const grant = response.locals['grant'] as Grant; // set by signedIn
    if (isGranted(grant, permission) || isGranted(grant, `${permission}.All`)) return true;
    graphError(
      response,
      403,
      'Authorization_RequestDenied',
      'Insufficient privileges to complete the operation.',
    );
    return false;
  }

  /** Graph's services, each at the pace that it answers by itself. */
  function routes(api: Router, ownPace: Pace): void {
    uploads.routes(api);
    const v1 = express.Router();
    api.use('/v1.0', signedIn, v1);
    subscriptions.routes(v1, (request, resource) => {
      const grant = request.res!.locals['grant'] as Grant; // set by signedIn
      const user = /^\/?users\/([^/]+)/i.exec(resource)?.[1];
      return known(user === undefined ? (grant.address ?? '') : decodeURIComponent(user)) ?? null;
    });
    v1.get('/users', (_request, response) => {
      if (!may(response, 'User.Read.All')) return;
      response.json({
        value: [...mailboxes.values()].slice(0, 1).map(({ userId }) => ({ id: userId })),
      });
    });
    v1.post('/chats', (_request, response) => {
      if (may(response, 'Chat.Create'))
        graphError(response, 400, 'BadRequest', 'A chat of two needs two members.');
    });
    v1.delete('/chats/:chat/members/:member', (_request, response) => {
      if (may(response, 'ChatMember.ReadWrite'))
        graphError(response, 404, 'NotFound', 'The chat was not found.');
    });
    const mail = express.Router();
    mailRoutes(mail, {
      baseUrl,
      uploads,
      deltas,
      open,
      sentOut: (raw) => void sentMails.push(raw),
      messageIds,
      pace: ownPace,
      takeRefusal: () => refusals > 0 && refusals-- > 0,
    });
    v1.use('/me', mail);
    v1.use(
      '/users/:user',
      (request, response, next) => {
        response.locals['user'] = request.params.user;
        next();
      },
      mail,
    );
  }

  // What Graph asks its services for: the parts of a batch, which were held against the description with the whole.
  const services = await createSimulatorServer({
    name: 'graph, behind batches',
    wording,
    routes: (api) => routes(api, batching.pace),
  });
  const serveBatch: express.RequestHandler = async (request, response) => {
    if (!batching.isOn)
      return graphError(response, 501, 'NotImplemented', 'Batches are not supported here.');
    const parts = batchOf(rawBody(request));
    if (typeof parts === 'string') return graphError(response, 400, 'BadRequest', parts);
    const authorization = request.headers.authorization ?? '';
    const responses = await doParts(parts, (part) =>
      askPart(services.url, part, authorization, batching.mime),
    );
    const answer = Buffer.from(JSON.stringify({ responses }));
    void slowly(response.type('application/json'), answer, pace);
  };

  const simulator = await createSimulatorServer({
    name: 'graph',
    ...(port !== undefined && { port }),
    description: graphDescription(),
    unparsed: consent.handler,
    wording,
    routes(api) {
      api.post('/v1.0/\\$batch', signedIn, serveBatch);
      routes(api, pace);
    },
    controls: (control) =>
      graphControls(control, { deliver, mailbox, subscriptions, deltas, consent, batching }),
    closing: () => services.close(),
  });
  url = simulator.url;
  const { faults } = simulator;
  // The simulator itself, since its lists grow.
  return Object.assign(simulator, {
    // What is behind fails as often.
    faults: {
      failNext: (fault, count) => faults.failNext(fault, count),
      failSome(rate, kinds, seed) {
        faults.failSome(rate, kinds, seed);
        services.faults.failSome(rate, kinds.filter(isQuick), seed);
      },
      clear() {
        faults.clear();
        services.faults.clear();
      },
    } satisfies Faults,
    batched: services,
    batching,
    consent,
    application,
    delegated,
    subscriptions,
    deltas,
    permissions,
    mailboxes,
    mailbox,
    deliver,
    keepMessageIds: (kept: typeof messageIds.kept) => void (messageIds.kept = kept),
    trickle: (parts: number, ms: number) => void Object.assign(pace, { parts, ms }),
    refuseNextSend: () => void (refusals += 1),
    sent: () => sentMails,
  });
}

/** Graph waits longer for what hangs than a test does; what it says then is said of a connection that breaks, too. */
const isQuick = (kind: FaultKind) => kind !== 'hang';

/** More than four requests at once on one mailbox are refused, as the vendor does. */
function occupy(box: SimMailbox, response: Response): boolean {
  if (box.running >= MOST_AT_ONCE) {
    response.set('Retry-After', '1');
    graphError(
      response,
      429,
      'ApplicationThrottled',
      'Application is over its MailboxConcurrency limit.',
    );
    return false;
  }
  box.running += 1;
  box.mostRunning = Math.max(box.mostRunning, box.running);
  let isOver = false;
  const over = () => {
    if (!isOver) box.running -= 1;
    isOver = true;
  };
  response.once('finish', over).once('close', over);
  return true;
}
