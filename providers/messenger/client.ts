import type { z } from 'zod';
import type { ProviderFailure } from '../../domain/failure.ts';
import type { ProviderCall } from '../contract.ts';
import {
  asked as askedGraph,
  graphFailure,
  graphRequest as request,
  type GraphRequest,
} from '../graph-api.ts';
import type { Vendor, VendorAnswer, VendorRequest } from '../vendor-http.ts';
import { knownError } from './errors.ts';
import type { MessengerSettings } from './manifest.ts';

export type MessengerCall = ProviderCall<MessengerSettings>;

export const messengerVendor: Vendor = {
  code: 'messenger',
  title: 'Facebook',
  credential: 'page_access_token',
};

const HOST = 'https://graph.facebook.com';

/** A request of the Messenger Platform. */
export function graphRequest(
  { settings }: Pick<MessengerCall, 'settings'>,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  more: GraphRequest = {},
): Promise<VendorRequest> {
  const { base_url: base = HOST, page_access_token: token, app_secret: appSecret } = settings;
  return request({ base, token, appSecret }, method, path, more);
}

/** Asks for something that may be asked again. @throws ProviderFailure */
export function asked<T>(
  call: MessengerCall,
  asking: VendorRequest,
  schema: z.ZodType<T>,
): Promise<T> {
  return askedGraph(call, messengerVendor, asking, schema, knownError);
}

/** A refusal of the Messenger Platform's, classified. */
export function messengerFailure(
  call: MessengerCall,
  answer: VendorAnswer,
): Promise<ProviderFailure> {
  return graphFailure(call, messengerVendor, answer, knownError);
}
