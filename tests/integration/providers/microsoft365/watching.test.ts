import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { DoorRefusal, type DoorReceipt } from '../../../../providers/contract.ts';
import { microsoft365 } from '../../../../providers/microsoft365/provider.ts';
import type { WatchState } from '../../../../providers/microsoft365/watch.ts';
import { asked, drain, graphFixture, type Fixture, type Microsoft365Call } from './fixture.ts';

jest.setTimeout(240_000);
const MAILBOX = microsoft365.mailbox!;
let given: Fixture;
let door: Door;
beforeEach(async () => {
  given = await graphFixture();
  door = await openDoor(() => given.call({}, { watch: door.watch, doorUrl: door.url }));
});
afterEach(async () => {
  expect(given.simulator.violations).toEqual([]);
  await given.simulator.close();
  await new Promise((done) => door.server.close(done));
});

interface Door {
  readonly url: string;
  readonly server: Server;
  /** What the calls brought, newest last. */
  readonly news: DoorReceipt['news'][];
  refused: number;
  /** As `renew` gave it. */
  watch: unknown;
}

/** The provider's door over real HTTP, as the API has it. */
async function openDoor(call: () => Microsoft365Call): Promise<Door> {
  const { verify, receive } = microsoft365.door!;
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url!, 'http://door');
    const asked = {
      method: request.method!,
      headers: request.headers,
      query: Object.fromEntries(url.searchParams),
      body: await buffer(request),
      receivedAt: new Date(),
    };
    try {
      await verify(asked, call(), () => false);
      const receipt = await receive(asked, call());
      if (asked.query['validationToken'] === undefined) opened.news.push(receipt.news);
      response.writeHead(receipt.answer!.status, { 'content-type': receipt.answer!.contentType });
      response.end(receipt.answer!.body);
    } catch (error) {
      opened.refused += 1;
      response.writeHead(error instanceof DoorRefusal ? error.status : 500).end();
    }
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/ingress/microsoft365/chn_1`;
  const opened: Door = { url, server, news: [], refused: 0, watch: null };
  return opened;
}

const call = (settings: object = {}) =>
  given.call(settings, { watch: door.watch, doorUrl: door.url });
/** As the core does it: what is kept, is kept as JSON. */
async function renew(settings: object = {}) {
  const renewed = await MAILBOX.renew!(call(settings));
  door.watch = renewed && JSON.parse(JSON.stringify(renewed.state));
  return renewed;
}
const subscriptions = () => [...given.simulator.subscriptions.all.values()];

describe('mail-edge-case 40: the subscription', () => {
  it('is made after a handshake with the door, and lives for less than the 4,230 minutes that are allowed', async () => {
    const renewed = await renew();
    const [made] = subscriptions();
    expect(made).toMatchObject({
      changeType: 'created',
      resource: `users/${encodeURIComponent(given.address)}/mailFolders('inbox')/messages`,
      notificationUrl: door.url,
      lifecycleNotificationUrl: door.url,
    });
    expect(made!.clientState!.length).toBeGreaterThanOrEqual(64);
    expect(made!.clientState!.length).toBeLessThanOrEqual(128);
    const minutes = (renewed!.expiresAt.getTime() - Date.now()) / 60_000;
    expect(minutes).toBeGreaterThan(4000);
    expect(minutes).toBeLessThanOrEqual(4230);
  });

  it('tells of mail, several notifications in one call', async () => {
    await renew();
    given.deliver(1, 3);
    given.deliver(4, 4, { folder: 'archive' });
    await given.simulator.subscriptions.settled();
    expect(door.news).toEqual(['mail']);
    expect(given.simulator.subscriptions.notifications).toMatchObject([{ status: 202 }]);
    const { value } = JSON.parse(given.simulator.subscriptions.notifications[0]!.body) as { value: unknown[] }; // prettier-ignore
    expect(value).toHaveLength(3);
  });

  it('is prolonged, not made again, while Microsoft has it', async () => {
    const first = await renew();
    subscriptions()[0]!.expirationDateTime = new Date(Date.now() + 60_000).toISOString();
    const second = await renew();
    expect(second!.state).toMatchObject({ id: (first!.state as WatchState).id });
    expect(Date.parse(subscriptions()[0]!.expirationDateTime)).toBe(second!.expiresAt.getTime());
    expect(asked(given.simulator, /^POST .*\/subscriptions$/)).toHaveLength(1);
  });

  it('is made anew when Microsoft removed it, and nothing that came in between is lost', async () => {
    await renew();
    const { cursor } = await drain(call());
    await given.simulator.subscriptions.lifecycle('subscriptionRemoved');
    expect(door.news).toEqual(['watch']);
    given.deliver(1);
    const before = door.watch as WatchState;
    await renew();
    expect(subscriptions()).toHaveLength(1);
    expect((door.watch as WatchState).id).not.toBe(before.id);
    expect((await drain(call(), cursor)).subjects).toEqual(['mail-1']);
    given.deliver(2);
    await given.simulator.subscriptions.settled();
    expect(door.news).toEqual(['watch', 'mail']);
  });

  it('is authorised again when Microsoft asks for it, and a missed notification leads to a look', async () => {
    await renew();
    await given.simulator.subscriptions.lifecycle('reauthorizationRequired');
    await given.simulator.subscriptions.lifecycle('missed');
    expect(door.news).toEqual(['watch', 'mail']);
    await renew();
    expect(asked(given.simulator, /^PATCH .*\/subscriptions\//)).toHaveLength(1);
    expect(subscriptions()).toHaveLength(1);
  });

  it('may be renewed while nothing is delivered any more: the sweep brings the mail', async () => {
    await renew();
    const { cursor } = await drain(call());
    given.simulator.subscriptions.isSilent = true;
    given.deliver(1);
    expect(await renew()).not.toBeNull();
    await given.simulator.subscriptions.settled();
    expect(door.news).toEqual([]);
    expect(await MAILBOX.wait!(call(), 'inbox', cursor, Date.now() + 60_000)).toBe('mail');
    expect((await drain(call(), cursor)).subjects).toEqual(['mail-1']);
  });

  it('leaks none: not after a lost answer, another folder, another address, or a new consent', async () => {
    given.simulator.faults.failNext({ kind: 'lost_answer', match: /^POST .*\/subscriptions$/ });
    await expect(renew()).rejects.toMatchObject({ class: 'retry' });
    expect(subscriptions()).toHaveLength(1);
    await renew();
    await renew({ folder: 'archive' });
    await renew({ folder: ['archive', 'inbox'] });
    expect(subscriptions()).toMatchObject([
      { resource: `users/${encodeURIComponent(given.address)}/messages` },
    ]);
    door.watch = null; // what was kept is lost with the old consent
    await renew();
    expect(subscriptions()).toHaveLength(1);
    await MAILBOX.release!(call());
    expect(subscriptions()).toEqual([]);
    await MAILBOX.release!(call());
  });

  it('of others is left alone', async () => {
    await renew();
    const others = { ...subscriptions()[0]!, id: 'other', notificationUrl: 'http://127.0.0.1:9/x' };
    given.simulator.subscriptions.all.set('other', others);
    await MAILBOX.release!(call());
    expect(subscriptions()).toEqual([others]);
  });

  it('is not wanted without a public door, or where the settings say so', async () => {
    expect(await MAILBOX.renew!(given.call())).toBeNull();
    await renew();
    expect(await renew({ watch_enabled: false })).toBeNull();
    expect(subscriptions()).toEqual([]);
  });

  it('that can’t be made says why: the door is not reached', async () => {
    await expect(
      MAILBOX.renew!(given.call({}, { doorUrl: 'http://127.0.0.1:9/door' })),
    ).rejects.toMatchObject({
      code: 'microsoft365.door_unreachable',
      class: 'retry',
      message: expect.stringContaining('POSTROOM_PUBLIC_URL'),
    });
  });
});

describe('mail-edge-case 40: the door', () => {
  const post = (body: string, query = '') => fetch(door.url + query, { method: 'POST', body });
  const notifications = (...states: unknown[]) =>
    JSON.stringify({
      value: states.map((clientState) => ({ clientState, changeType: 'created' })),
    });

  it('answers the handshake with the token as plain text, and lets nothing else in by it', async () => {
    const token = 'Validation: <b>x</b> & ü';
    const answer = await post('', `?validationToken=${encodeURIComponent(token)}`);
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(await answer.text()).toBe(token);
    const forged = await post(notifications('x'), '?validationToken=a');
    expect(await forged.text()).toBe('a');
    expect(door.news).toEqual([]);
  });

  it('refuses whatever lacks the clientState of this channel, and a batch with one such', async () => {
    await renew();
    const { clientState } = door.watch as WatchState;
    for (const body of [
      notifications('x'),
      notifications(clientState, 'x'),
      notifications(null),
      notifications(undefined),
      notifications(),
      notifications([clientState]),
      'null',
      '',
    ])
      expect([body, [400, 401].includes((await post(body)).status)]).toEqual([body, true]);
    expect(door.refused).toBe(8);
    expect(door.news).toEqual([]);
    expect((await post(notifications(clientState))).status).toBe(202);
  });

  it('refuses everything before there is a subscription', async () => {
    expect((await post(notifications('x'))).status).toBe(401);
  });
});
