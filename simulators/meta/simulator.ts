import express from 'express';
import type { Simulator } from '../contract.ts';
import { createSimulatorServer } from '../server.ts';
import { signedIn } from './access.ts';
import { metaControls } from './controls.ts';
import {
  Customers,
  type MessengerWords,
  type WhatsAppPerson,
  type WhatsAppWords,
} from './customers.ts';
import { metaDescription } from './description.ts';
import { graphError, wording, type Refusal } from './errors.ts';
import { handshake, Hooks } from './hooks.ts';
import { OPEN, SEALED, mediaRoutes } from './media-routes.ts';
import type { SimMedia } from './media-store.ts';
import { messengerRoutes } from './messenger-routes.ts';
import { Reports } from './reports.ts';
import { reviewTemplate, type Review } from './reviews.ts';
import { addTemplate, SAMPLE_TEMPLATES } from './templates.ts';
import { whatsappRoutes } from './whatsapp-routes.ts';
import { World, type SimAccount, type SimApp, type SimNumber, type SimPage } from './world.ts';

export interface MetaOptions {
  readonly port?: number;
}

export interface MetaSimulator extends Simulator {
  readonly world: World;
  readonly hooks: Hooks;
  readonly reports: Reports;
  /** The app that numbers and pages are of where nothing else is said. */
  readonly app: SimApp;
  /** A number of its own account (or of the one given), with sample templates; its webhooks are subscribed. */
  number(given?: Partial<SimNumber> & { ofApp?: SimApp; ofAccount?: SimAccount }): SimNumber;
  /** A page; its app is subscribed to nothing yet. */
  page(given?: Partial<SimPage> & { ofApp?: SimApp }): SimPage;
  /** What a channel of the number or page is made with. */
  settings(line: SimNumber | SimPage): Record<string, string>;
  /** The app's webhooks go there from now on, if the door shakes hands. @throws where it doesn't */
  connect(url: string, app?: SimApp): Promise<void>;
  /** A customer writes. @returns the message's id */
  writes(number: SimNumber, from: WhatsAppPerson, words: WhatsAppWords): string;
  says(page: SimPage, from: { psid?: string; name?: string }, words: MessengerWords): string;
  /** The business writes to somebody beside the API: in its WhatsApp app, or in the page's inbox. @returns the id */
  writesBeside(line: SimNumber | SimPage, to: string, text: string): string;
  /** The next send of the number or page is refused so: in its answer, or in a status after it. */
  refuseNext(line: SimNumber | SimPage, refusal: Refusal, as?: 'answer' | 'status'): void;
  /** A template of the number's account is looked at, and its app is told. @returns whether there is one */
  review(number: SimNumber, review: Review): boolean;
  /** Until no webhook is on its way and no report is due. */
  settled(): Promise<void>;
}

/** WhatsApp Business Cloud API and Messenger Platform on loopback, behind one Graph API. */
export async function metaSimulator({ port }: MetaOptions = {}): Promise<MetaSimulator> {
  const world = new World();
  const hooks = new Hooks();
  const reports = new Reports(world, hooks);
  let url = '';
  const mediaUrl = (media: SimMedia, isOpen: boolean) =>
    world.media.link(media, `${url}${isOpen ? OPEN : SEALED}`);
  const customers = new Customers(world, reports, mediaUrl);
  const app = world.app();

  const server = await createSimulatorServer({
    name: 'meta',
    ...(port !== undefined && { port }),
    description: metaDescription(world),
    wording,
    routes(api) {
      mediaRoutes(api, world);
      const graph = express.Router({ mergeParams: true });
      api.use(
        '/:version',
        (request, response, next) => {
          if (!/^v\d+\.\d+$/.test(String(request.params['version']))) return next('router');
          const token = signedIn(world, request, response);
          if (!token) return;
          response.locals['token'] = token;
          next();
        },
        graph,
      );
      whatsappRoutes(graph, {
        world,
        reports,
        mediaUrl: (media) => mediaUrl(media, false),
        baseUrl: () => url,
      });
      messengerRoutes(graph, {
        world,
        reports,
        mediaUrl: (media) => mediaUrl(media, true),
        baseUrl: () => url,
      });
      api.use((request, response) => {
        graphError(response, {
          code: 2500,
          status: 400,
          message: `Unknown path components: ${request.path}`,
        });
      });
    },
    controls: (control) => metaControls(control, () => simulator),
    closing: () => hooks.close(),
  });
  url = server.url;

  const simulator: MetaSimulator = Object.assign(server, {
    world,
    hooks,
    reports,
    app,
    number({ ofApp = app, ofAccount, ...given }: Parameters<MetaSimulator['number']>[0] = {}) {
      const account = ofAccount ?? world.account(ofApp);
      if (!ofAccount) for (const template of SAMPLE_TEMPLATES) addTemplate(account, template);
      return world.number(account, given);
    },
    page: ({ ofApp = app, ...given }: Parameters<MetaSimulator['page']>[0] = {}) =>
      world.page(ofApp, given),
    settings: (line: SimNumber | SimPage) => ({
      ...(line.kind === 'number'
        ? {
            phone_number_id: line.id,
            business_account_id: line.account.id,
            access_token: line.token.value,
          }
        : { page_id: line.id, page_access_token: line.token.value }),
      app_secret: line.app.secret,
      verify_token: line.app.verifyToken,
      base_url: url,
    }),
    async connect(door: string, of = app) {
      const problem = await handshake(door, of.verifyToken);
      if (problem !== null) throw new Error(problem);
      of.callbackUrl = door;
    },
    writes: (...said: Parameters<MetaSimulator['writes']>) => customers.whatsapp(...said),
    says: (...said: Parameters<MetaSimulator['says']>) => customers.messenger(...said),
    writesBeside: (line: SimNumber | SimPage, to: string, text: string) =>
      line.kind === 'number'
        ? customers.besides(line, to, text)
        : customers.inInbox(line, to, text),
    refuseNext: (line: SimNumber | SimPage, refusal: Refusal, as: 'answer' | 'status' = 'answer') =>
      void line.refusals.push({ ...refusal, as }),
    review: ({ account }: SimNumber, review: Review) => reviewTemplate(reports, account, review),
    settled: () => hooks.settled(),
  } satisfies Omit<MetaSimulator, keyof Simulator>);
  return simulator;
}
