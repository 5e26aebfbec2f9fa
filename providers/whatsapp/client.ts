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
import type { WhatsAppSettings } from './manifest.ts';

export type WhatsAppCall = ProviderCall<WhatsAppSettings>;

export const whatsappVendor: Vendor = {
  code: 'whatsapp',
  title: 'WhatsApp',
  credential: 'access_token',
};

export const HOST = 'https://graph.facebook.com';

/** A request of the Cloud API. */
export function graphRequest(
  { settings }: Pick<WhatsAppCall, 'settings'>,
  method: 'GET' | 'POST',
  path: string,
  more: GraphRequest = {},
): Promise<VendorRequest> {
  const { base_url: base = HOST, access_token: token, app_secret: appSecret } = settings;
  return request({ base, token, appSecret }, method, path, more);
}

/** Asks for something that may be asked again. @throws ProviderFailure */
export function asked<T>(
  call: WhatsAppCall,
  asking: VendorRequest,
  schema: z.ZodType<T>,
): Promise<T> {
  return askedGraph(call, whatsappVendor, asking, schema, knownError);
}

/** A refusal of the Cloud API's, classified. */
export function whatsappFailure(
  call: WhatsAppCall,
  answer: VendorAnswer,
): Promise<ProviderFailure> {
  return graphFailure(call, whatsappVendor, answer, knownError);
}
