import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { ProviderFailure } from '../../domain/failure.ts';
import { Graph } from './client.ts';
import { failure } from './failure.ts';
import { folderId } from './folder.ts';
import { foldersOf } from './manifest.ts';
import type { Microsoft365Call } from './sign-in.ts';

/**
 * Outlook messages may be watched for 4,230 minutes at most; some minutes less, so that no clock's difference matters
 * (https://learn.microsoft.com/graph/change-notifications-overview#subscription-lifetime).
 */
const WATCH_MS = 4200 * 60_000;
const PERMISSION = 'Mail.Read';

/** What is kept of a subscription between renewals. */
export const WatchState = z.object({
  id: z.string(),
  /** Stands in every notification: known to Microsoft and us alone. */
  clientState: z.string(),
  resource: z.string(),
  notificationUrl: z.string(),
  expiresAt: z.iso.datetime(),
});
export type WatchState = z.infer<typeof WatchState>;

/** Null where nothing of ours was kept. */
export function watchState(call: Microsoft365Call): WatchState | null {
  return WatchState.safeParse(call.watch).data ?? null;
}

/**
 * Makes the subscription, or renews it, which also answers a `reauthorizationRequired`. One that Microsoft removed,
 * or that watches or calls something else than it should, is made anew. Null where none is wanted or possible.
 * @throws ProviderFailure
 */
export async function renew(
  call: Microsoft365Call,
): Promise<{ expiresAt: Date; state: WatchState } | null> {
  const graph = new Graph(call);
  const kept = watchState(call);
  const { doorUrl } = call;
  if (doorUrl === null || !call.settings.watch_enabled) {
    if (kept) await remove(graph, kept.id);
    return null;
  }
  const resource = await watchedResource(graph);
  if (kept?.resource === resource && kept.notificationUrl === doorUrl) {
    const expirationDateTime = await prolong(graph, kept.id);
    if (expirationDateTime !== null) return made({ ...kept, expirationDateTime });
  } else if (kept) await remove(graph, kept.id);
  await removeStrays(graph, doorUrl);
  return subscribe(
    graph,
    resource,
    doorUrl,
    kept?.clientState ?? randomBytes(48).toString('base64url'),
  );
}

/** Ends the subscription, and any that a lost answer left behind. @throws ProviderFailure */
export async function release(call: Microsoft365Call): Promise<void> {
  const graph = new Graph(call);
  const kept = watchState(call);
  if (kept) await remove(graph, kept.id);
  const url = call.doorUrl ?? kept?.notificationUrl;
  if (url !== undefined) await removeStrays(graph, url);
}

/** One subscription per mailbox: on the folder that is read or, where there are several, on all mail. */
async function watchedResource(graph: Graph): Promise<string> {
  const mailbox = graph.mailbox.slice(1);
  const [folder, ...more] = foldersOf(graph.call.settings);
  if (more.length > 0) return `${mailbox}/messages`;
  return `${mailbox}/mailFolders('${await folderId(graph, folder!)}')/messages`;
}

interface Subscription {
  readonly id: string;
  readonly expirationDateTime: string;
  readonly notificationUrl?: string;
}

/** https://learn.microsoft.com/graph/api/subscription-post-subscriptions */
async function subscribe(graph: Graph, resource: string, doorUrl: string, clientState: string) {
  try {
    const { id, expirationDateTime } = await graph.ask<Subscription>({
      method: 'POST',
      path: '/subscriptions',
      body: {
        changeType: 'created',
        resource,
        notificationUrl: doorUrl,
        lifecycleNotificationUrl: doorUrl,
        clientState,
        expirationDateTime: wantedEnd(),
      },
      permission: PERMISSION,
    });
    return made({ id, clientState, resource, notificationUrl: doorUrl, expirationDateTime });
  } catch (error) {
    if (!(error instanceof ProviderFailure) || error.status !== 400) throw error;
    throw failure(
      'door_unreachable',
      'retry',
      `Microsoft 365 could not be asked to tell of new mail: it must reach this channel’s door over https from outside (POSTROOM_PUBLIC_URL). Until then the mailbox is looked at in intervals. ${error.message}`,
      { status: 400 },
      error,
    );
  }
}

function made({
  expirationDateTime,
  ...kept
}: Omit<WatchState, 'expiresAt'> & { expirationDateTime: string }) {
  const { id, clientState, resource, notificationUrl } = kept;
  const expiresAt = new Date(expirationDateTime);
  const state = { id, clientState, resource, notificationUrl, expiresAt: expiresAt.toISOString() };
  return { expiresAt, state };
}

/** The new end; null where Microsoft has removed the subscription. */
async function prolong(graph: Graph, id: string): Promise<string | null> {
  const renewed = await unlessGone(
    graph.ask<Subscription>({
      method: 'PATCH',
      path: `/subscriptions/${encodeURIComponent(id)}`,
      body: { expirationDateTime: wantedEnd() },
      permission: PERMISSION,
      repeatable: true,
    }),
  );
  return renewed?.expirationDateTime ?? null;
}

async function remove(graph: Graph, id: string): Promise<void> {
  await unlessGone(
    graph.ask({
      method: 'DELETE',
      path: `/subscriptions/${encodeURIComponent(id)}`,
      permission: PERMISSION,
      repeatable: true,
    }),
  );
}

/** Subscriptions of this channel's door that nobody keeps: one was made, and the answer never came. */
async function removeStrays(graph: Graph, doorUrl: string): Promise<void> {
  const { value } = await graph.ask<{ value: readonly Subscription[] }>({
    method: 'GET',
    path: '/subscriptions',
    permission: PERMISSION,
  });
  for (const { id, notificationUrl } of value)
    if (notificationUrl === doorUrl) await remove(graph, id);
}

async function unlessGone<T>(asking: Promise<T>): Promise<T | null> {
  try {
    return await asking;
  } catch (error) {
    if (error instanceof ProviderFailure && (error.status === 404 || error.status === 410))
      return null;
    throw error;
  }
}

function wantedEnd(): string {
  return new Date(Date.now() + WATCH_MS).toISOString();
}
