import { updateWarnings } from '../../db/update-warnings.ts';
import { inTenant } from '../../db/connection.ts';
import type { ChannelRow } from '../../db/queries/channels.ts';
import type { TenantId } from '../../domain/ids.ts';
import type { UpdateMessage } from '../../domain/ticket-updates.ts';
import { wrongPlaces } from '../../domain/update-places.ts';
import { findProvider } from '../../providers/registry.ts';
import type { ApiDeps } from '../deps.ts';
import { invalid } from '../problem.ts';
import type { CheckedSettings } from './settings.ts';

/**
 * What an admin wrote of `template_messages`, as far as it is wrong in itself. Stored channels are not held against it:
 * they go on. @throws Problem 422 pointing into /settings/template_messages
 */
export function checkUpdateMessages({ parsed }: Pick<CheckedSettings, 'parsed'>): void {
  const { template_messages: messages } = parsed as {
    template_messages?: Readonly<Record<string, UpdateMessage | null>>; // of every chat's schema
  };
  const wrong = wrongPlaces(messages ?? {});
  if (wrong.length === 0) return;
  throw invalid(
    'What customers are to be told by itself has places that don’t exist; mend those named in errors.',
    wrong.map(({ pointer, message }) => ({
      pointer: `/settings/template_messages${pointer}`,
      message,
    })),
  );
}

/** What a customer wouldn't be told for want of a template, in plain words. */
export async function updateWarningsOf(
  { db }: Pick<ApiDeps, 'db'>,
  tenantId: TenantId,
  row: ChannelRow,
): Promise<string[]> {
  const chat = findProvider(row.provider)?.chat;
  return chat ? inTenant(db, tenantId, (tx) => updateWarnings(tx, row, chat)) : [];
}
