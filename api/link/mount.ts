import express, { type Express, type RequestHandler, type Response } from 'express';
import { inTenant } from '../../db/connection.ts';
import { takeContactLink, type StoredLink } from '../../db/queries/contact-links.ts';
import { mergeContacts } from '../../db/queries/contact-merge.ts';
import { lockIngestion } from '../../db/queries/ingestion-lock.ts';
import { Pending } from '../../db/queries/outbox.ts';
import { maskedAddress } from '../../domain/contact-address.ts';
import type { ApiDeps } from '../deps.ts';
import { Told, toldAsPage } from '../oauth/connect.ts';
import { sendPage } from '../oauth/page.ts';
import { formProof, isOwnForm } from './browser.ts';
import { linkLimits } from './limits.ts';
import { readToken } from './token.ts';

type Params = { token: string };

/**
 * Links by which a person says that two addresses are theirs. Opening one changes nothing, since programs open links
 * too; only the form on its page does, in the browser that it was shown to.
 */
export function mountLinks(app: Express, deps: ApiDeps): void {
  const limits = linkLimits();
  app.get('/link/:token', named, ...limits, showLink(deps));
  app.post(
    '/link/:token',
    named,
    ...limits,
    express.urlencoded({ extended: false, limit: 4096 }),
    confirmLink(deps),
  );
}

/** The address itself stands in no log. */
const named: RequestHandler<Params> = (_req, res, next) => {
  res.locals.route = '/link/{token}';
  res.set('X-Robots-Tag', 'noindex');
  next();
};

function showLink(deps: ApiDeps): RequestHandler<Params> {
  const secure = deps.config.publicUrl.startsWith('https:');
  return async (req, res) => {
    await toldAsPage(res, async () => {
      const link = await openLink(deps, req.params.token);
      sendPage(res, {
        status: 200,
        title: 'Are both of these yours?',
        says: [
          maskedAddress(link.address),
          maskedAddress(link.shownAddress),
          'If you confirm, what you wrote from either is shown together to the people who answer you.',
          'If one of them is not yours, or you did not ask for this, close this page: nothing is changed.',
        ],
        form: {
          button: 'Yes, both are mine',
          fields: { proof: formProof(req, res, req.params.token, secure) },
        },
      });
    });
  };
}

function confirmLink(deps: ApiDeps): RequestHandler<Params> {
  return async (req, res) => {
    await toldAsPage(res, async () => {
      const link = await openLink(deps, req.params.token);
      const { proof } = (req.body ?? {}) as { proof?: unknown }; // urlencoded's
      if (!isOwnForm(req, req.params.token, proof))
        throw new Told(
          403,
          'Please open the link again',
          'The confirmation did not come from its own page in this browser. Open the link that you were sent, with cookies allowed, and press the button there.',
        );
      await confirm(deps, link, res);
    });
  };
}

async function confirm(deps: ApiDeps, link: StoredLink, res: Response): Promise<void> {
  const pending = new Pending(link.tenantId);
  const merged = await inTenant(deps.db, link.tenantId, async (tx) => {
    // Before the link's row, as every merge that ends links does.
    await lockIngestion(tx, link.tenantId);
    if (!(await takeContactLink(tx, link.id))) return null;
    return mergeContacts(tx, pending, link.tenantId, {
      into: link.contactId,
      other: link.otherId,
      actor: { type: 'contact', id: link.otherId },
      reason: `confirmed by link ${link.id}, sent to ${link.address}`,
    });
  });
  if (merged === null) throw ended();
  await deps.relay.flush(pending);
  sendPage(res, {
    status: 200,
    title: 'Thank you',
    says: ['Both addresses are known as yours now. You can close this page.'],
  });
}

/** @throws Told where it can't be used (any more) */
async function openLink(deps: ApiDeps, token: string): Promise<StoredLink> {
  const link = await readToken(deps, token);
  if (!link)
    throw new Told(
      404,
      'This link is not known here',
      'It may have been cut off on its way: open it exactly as it was sent to you.',
    );
  if (link.usedAt)
    throw new Told(410, 'This link was used already', 'It works once. Nothing more is to be done.');
  if (link.expiresAt.getTime() <= Date.now()) throw ended();
  return link;
}

function ended(): Told {
  return new Told(
    410,
    'This link does not work any more',
    'It was used, is too old, or something about the addresses has changed since. Ask for a new one in your conversation with us.',
  );
}
