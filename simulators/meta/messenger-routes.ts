import type { Request, Response, Router } from 'express';
import { may, noSuchNode } from './access.ts';
import { graphError } from './errors.ts';
import { sendMessenger, uploadAttachment, type MessengerParts } from './messenger-sending.ts';
import { paged, picked } from './paging.ts';
import type { SimMedia } from './media-store.ts';
import type { SimPage, SimToken } from './world.ts';

/** The Messenger Platform under a version; requests are signed in already. */
export function messengerRoutes(api: Router, parts: MessengerParts): void {
  const { world } = parts;

  /** The page that the path names, or whose token it is at `/me`; answered, and null, where there is none. */
  function page(request: Request, response: Response, permission: string): SimPage | null {
    const token = response.locals['token'] as SimToken; // set when it signed in
    const node = String(request.params['node']);
    const found =
      node === 'me'
        ? [...world.pages.values()].find((one) => one.token === token)
        : world.pages.get(node);
    if (!found || found.token !== token) {
      noSuchNode(response, request.method, node);
      return null;
    }
    return may(token, permission, response) ? found : null;
  }

  api.post('/:node/messages', async (request, response) => {
    const found = page(request, response, 'pages_messaging');
    if (found) await sendMessenger(parts, found, request, response);
  });
  api.post('/:node/message_attachments', async (request, response) => {
    const found = page(request, response, 'pages_messaging');
    if (found) await uploadAttachment(parts, found, request, response);
  });
  api.get('/:node/subscribed_apps', (request, response) => {
    const found = page(request, response, 'pages_manage_metadata');
    if (!found) return;
    const app = { id: found.app.id, name: 'Postroom', subscribed_fields: [...found.fields] };
    response.json({ data: found.fields.size > 0 ? [app] : [] });
  });
  api.post('/:node/subscribed_apps', (request, response) => {
    const found = page(request, response, 'pages_manage_metadata');
    if (!found) return;
    const given = { ...request.query, ...(request.body as object) } as Record<
      string,
      string | string[]
    >; // as described
    const fields = [given['subscribed_fields'] ?? []].flat().join(',').split(',').filter(Boolean);
    const messaging = fields.some((field) => field.startsWith('messag'));
    if (fields.length === 0)
      return graphError(response, {
        code: 100,
        message: 'The parameter subscribed_fields is required.',
      });
    if (messaging && !may(found.token, 'pages_messaging', response)) return;
    found.fields.clear();
    for (const field of fields) found.fields.add(field);
    response.json({ success: true });
  });
  api.delete('/:node/subscribed_apps', (request, response) => {
    const found = page(request, response, 'pages_manage_metadata');
    if (!found) return;
    found.fields.clear();
    response.json({ success: true });
  });
  api.get('/:node/message_templates', (request, response) => {
    const found = page(request, response, 'page_utility_messaging');
    if (!found) return;
    const shown = found.templates.map((one) => picked(request, one));
    response.json(paged(request, parts.baseUrl(), shown));
  });
  api.get('/:node/messenger_profile', (request, response) => {
    const found = page(request, response, 'pages_messaging');
    if (found) response.json({ data: [] });
  });
  api.get('/:node', (request, response) => {
    const token = response.locals['token'] as SimToken; // set when it signed in
    const { node } = request.params;
    const own = [...world.pages.values()].find((one) => one.token === token);
    const files = own?.files.get(node);
    if (files) return void response.json(shownFiles(node, files, parts.mediaUrl));
    if (own && node !== 'me' && node !== own.id) return profile(own, node, request, response);
    const found = page(request, response, 'pages_show_list');
    if (found) response.json(picked(request, { id: found.id, name: found.name }));
  });
}

/** https://developers.facebook.com/docs/graph-api/reference/message/attachments */
function shownFiles(
  mid: string,
  files: readonly SimMedia[],
  link: (media: SimMedia) => string,
): object {
  const data = files.map((media) => {
    const { id, contentType, bytes, filename } = media;
    const url = link(media);
    const common = { id, mime_type: contentType, name: filename ?? id, size: bytes.length };
    if (contentType.startsWith('image/')) return { ...common, image_data: { url } };
    return contentType.startsWith('video/')
      ? { ...common, video_data: { url } }
      : { ...common, file_url: url };
  });
  return { attachments: { data }, id: mid };
}

/** https://developers.facebook.com/docs/messenger-platform/identity/user-profile */
function profile(page: SimPage, psid: string, request: Request, response: Response): void {
  const person = page.people.get(psid);
  if (!person) return noSuchNode(response, request.method, psid);
  if (!may(page.token, 'pages_messaging', response)) return;
  if (!page.token.permissions.has('user_profile'))
    return graphError(response, {
      code: 100,
      subcode: 2018218,
      message: 'No profile available for this user.',
    });
  const { first, last } = person;
  const whole = { id: psid, name: `${first} ${last}`.trim(), first_name: first, last_name: last };
  response.json(picked(request, whole, ['id', 'first_name', 'last_name']));
}
