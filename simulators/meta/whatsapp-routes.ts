import type { Request, Response, Router } from 'express';
import { may, noSuchNode } from './access.ts';
import { graphError } from './errors.ts';
import { formOf } from './form-body.ts';
import { handshake } from './hooks.ts';
import type { SimMedia } from './media-store.ts';
import { paged, picked } from './paging.ts';
import type { Reports } from './reports.ts';
import { sendWhatsApp } from './whatsapp-sending.ts';
import type { SimAccount, SimNumber, SimToken, World } from './world.ts';

const MESSAGING = 'whatsapp_business_messaging';
const MANAGEMENT = 'whatsapp_business_management';

interface Parts {
  readonly world: World;
  readonly reports: Reports;
  readonly mediaUrl: (media: SimMedia) => string;
  readonly baseUrl: () => string;
}

/** The WhatsApp Business Cloud API under a version; requests are signed in already. */
export function whatsappRoutes(api: Router, { world, reports, mediaUrl, baseUrl }: Parts): void {
  const token = (response: Response) => response.locals['token'] as SimToken; // set when it signed in

  /** The number, where the token is its own and was granted enough; else answered, and null. */
  function number(request: Request, response: Response, permission: string): SimNumber | null {
    const found = world.numbers.get(String(request.params['node']));
    if (!found || token(response).app !== found.app) return null;
    return may(token(response), permission, response) ? found : null;
  }
  function account(request: Request, response: Response): SimAccount | null {
    const found = world.accounts.get(String(request.params['node']));
    if (!found || token(response).app !== found.app) return null;
    return may(token(response), MANAGEMENT, response) ? found : null;
  }
  /** Another node's route is asked, unless this one was answered. */
  const pass = (response: Response, next: () => void) => {
    if (!response.headersSent) next();
  };

  api.post('/:node/messages', async (request, response, next) => {
    const found = number(request, response, MESSAGING);
    if (!found) return pass(response, next);
    await sendWhatsApp(world, reports, found, request, response);
  });
  api.post('/:node/media', async (request, response, next) => {
    const found = number(request, response, MESSAGING);
    if (!found) return pass(response, next);
    const { file, fields } = await formOf(request);
    if (!file)
      return graphError(response, { code: 131008, details: 'The parameter file is required.' });
    response.json({
      id: world.media.add({
        ...file,
        contentType: fields['type'] ?? file.contentType,
        owner: found.id,
      }).id,
    });
  });
  api.get('/:node/message_templates', (request, response, next) => {
    const found = account(request, response);
    if (!found) return pass(response, next);
    const { name, status, language } = request.query;
    const wanted = found.templates.filter(
      (one) =>
        (typeof name !== 'string' || one.name.includes(name)) &&
        (status === undefined || one.status === status) &&
        (language === undefined || one.language === language),
    );
    response.json(
      paged(
        request,
        baseUrl(),
        wanted.map((one) => picked(request, one)),
      ),
    );
  });
  api.get('/:node/phone_numbers', (request, response, next) => {
    const found = account(request, response);
    if (!found) return pass(response, next);
    const numbers = [...world.numbers.values()].filter((one) => one.account === found);
    response.json(
      paged(
        request,
        baseUrl(),
        numbers.map((one) => shownNumber(request, one)),
      ),
    );
  });
  api.get('/:node/subscribed_apps', (request, response, next) => {
    const found = account(request, response);
    if (!found) return pass(response, next);
    response.json({ data: found.subscribed ? [shownSubscription(found)] : [] });
  });
  api.post('/:node/subscribed_apps', async (request, response, next) => {
    const found = account(request, response);
    if (!found) return pass(response, next);
    const { override_callback_uri, verify_token } = request.body as Record<string, string>; // as described
    if (override_callback_uri !== undefined) {
      const problem = await handshake(override_callback_uri, verify_token ?? '');
      if (problem !== null)
        return graphError(response, {
          code: 2200,
          status: 400,
          message: `Callback verification failed: ${problem}`,
        });
    }
    found.overrideUrl = override_callback_uri ?? null;
    found.subscribed = true;
    response.json({ success: true });
  });
  api.delete('/:node/subscribed_apps', (request, response, next) => {
    const found = account(request, response);
    if (!found) return pass(response, next);
    found.subscribed = false;
    found.overrideUrl = null;
    response.json({ success: true });
  });
  api.get('/:node', (request, response, next) => {
    const media = ownMedia(request, response);
    if (media) return response.json(shownMedia(media, mediaUrl(media)));
    const business = account(request, response);
    if (business)
      return response.json(picked(request, { id: business.id, name: 'Postroom', currency: 'EUR' }));
    const found = response.headersSent ? null : number(request, response, MANAGEMENT);
    if (found) return response.json(shownNumber(request, found));
    pass(response, next);
  });
  api.delete('/:node', (request, response, next) => {
    const media = ownMedia(request, response);
    if (!media) return pass(response, next);
    world.media.all.delete(media.id);
    response.json({ success: true });
  });

  function ownMedia(request: Request, response: Response): SimMedia | null {
    const media = world.media.all.get(String(request.params['node']));
    const owner = media && world.numbers.get(media.owner);
    if (!media || !owner || owner.app !== token(response).app) return null;
    const asked = request.query['phone_number_id'];
    if (asked !== undefined && asked !== owner.id) {
      noSuchNode(response, request.method, media.id);
      return null;
    }
    return may(token(response), MESSAGING, response) ? media : null;
  }
}

function shownNumber(request: Request, number: SimNumber): object {
  return picked(
    request,
    {
      id: number.id,
      display_phone_number: number.display,
      verified_name: number.verifiedName,
      quality_rating: number.qualityRating,
      code_verification_status: 'VERIFIED',
      name_status: number.nameStatus,
      status: number.status,
      account_mode: 'LIVE',
      platform_type: 'CLOUD_API',
      whatsapp_business_manager_messaging_limit: number.tier,
      throughput: { level: number.throughput },
      is_on_biz_app: number.onBusinessApp,
      is_official_business_account: false,
      webhook_configuration: { application: number.account.overrideUrl ?? number.app.callbackUrl },
    },
    [
      'id',
      'display_phone_number',
      'verified_name',
      'quality_rating',
      'code_verification_status',
      'platform_type',
      'throughput',
    ],
  );
}

function shownSubscription({ app, overrideUrl }: SimAccount): object {
  return {
    whatsapp_business_api_data: {
      id: app.id,
      name: 'Postroom',
      link: `https://www.facebook.com/games/?app_id=${app.id}`,
    },
    ...(overrideUrl !== null && { override_callback_uri: overrideUrl }),
  };
}

function shownMedia({ id, bytes, contentType, sha256 }: SimMedia, url: string): object {
  return {
    messaging_product: 'whatsapp',
    url,
    mime_type: contentType,
    sha256,
    file_size: bytes.length,
    id,
  };
}
