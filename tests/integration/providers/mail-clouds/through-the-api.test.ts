import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { inTenant } from '../../../../db/connection.ts';
import { repeat } from '../../../../simulators/mail-cloud.ts';
import { request, startTestApi, type Client, type TestApi } from '../../api-fixture.ts';
import { clouds, type StartedCloud } from './clouds.ts';
import { largeMail, wholeMail } from './mails.ts';

// The whole way of a call: a channel made by the API, the vendor's call at its public door, the stored source.

let api: TestApi;
let ada: Client;
beforeAll(async () => {
  api = await startTestApi();
  ada = await api.client('ada');
});
afterAll(() => api.close());

describe.each(clouds.map((cloud) => [cloud.name, cloud] as const))('%s', (name, cloud) => {
  let started: StartedCloud;
  let channel: { id: string; ingress_url: string };
  beforeAll(async () => {
    started = await cloud.start();
    const { status, body } = await ada.call('POST', '/v1/channels', {
      provider: name,
      name: `Support by ${name}`,
      address: `${name}@example.test`,
      settings: started.settings,
    });
    expect(status).toBe(201);
    channel = body;
    const { pathname } = new URL(channel.ingress_url);
    expect(pathname).toBe(`/ingress/${name}/${channel.id}`);
    started.simulator.connect(started.doorUrl(api.url + pathname));
  });
  afterAll(() => started.simulator.close());

  const staged = () =>
    inTenant(api.db, ada.tenantId, (tx) =>
      tx
        .selectFrom('sources')
        .select(['provider_message_id', 'size', 'status', 'envelope', 'meta'])
        .where('channel_id', '=', channel.id)
        .execute(),
    );

  it('finds nothing wrong with the credentials, and shows none of them', async () => {
    const { status, body } = await ada.call('POST', `/v1/channels/${channel.id}/validate`);
    expect([status, body]).toEqual([200, expect.objectContaining({ ok: true, problems: [] })]);
    const shown = await ada.call('GET', `/v1/channels/${channel.id}`);
    expect(shown.text).not.toMatch(/wörd:42|server-token|signing-key|key-mailgun|SG\.key|AKIDSIM/);
  });

  it('stores a mail once, however often the vendor calls', async () => {
    const nudges = () =>
      api.relay.flushed.filter(({ channels }) => channels.has(channel.id)).length;
    const before = nudges();
    const raw = await wholeMail(`${name}@x.test`);
    const answer = await started.simulator.deliver(raw, { mode: cloud.modes[0]! });
    expect(answer).toEqual({ status: 200, body: '{"accepted":1}' });
    const call = started.simulator.calls.at(-1)!;
    expect(await repeat(call)).toEqual(answer);
    expect(await staged()).toEqual([
      {
        provider_message_id: expect.any(String),
        size: raw.length,
        status: 'staged',
        envelope: { from: 'ada@x.test', to: ['support+42@example.test'] },
        meta: expect.any(Object),
      },
    ]);
    expect(nudges()).toBe(before + 1);
  });

  it('takes a mail of 27 MB, however the vendor wraps it', async () => {
    const before = (await staged()).length;
    const raw = await largeMail(20_000_000);
    const answer = await started.simulator.deliver(raw, { mode: cloud.largeMode });
    expect(answer).toEqual({ status: 200, body: '{"accepted":1}' });
    expect((await staged()).length).toBe(before + 1);
  });

  it('refuses and counts an altered call, and says nothing of why', async () => {
    await started.simulator.deliver(await wholeMail(`${name}@x.test`), { mode: cloud.modes[0]! });
    const call = started.simulator.calls.at(-1)!;
    const known = (await staged()).length;
    const refused = async () => {
      const { text } = await request(`${api.url}/metrics`, 'GET');
      const counts = [
        ...text.matchAll(
          new RegExp(
            `postroom_door_refusals_total\\{provider="${name}",code="[^"]+"\\} (\\d+)`,
            'g',
          ),
        ),
      ];
      return counts.reduce((sum, [, count]) => sum + Number(count), 0);
    };
    const before = await refused();
    const altered = Object.values(cloud.altered(call));
    for (const one of altered) {
      const { status, body } = await repeat(one);
      expect([401, 403]).toContain(status);
      expect(JSON.parse(body)).toMatchObject({ detail: 'This call is not let in.' });
    }
    expect(await refused()).toBe(before + altered.length);
    expect(await staged()).toHaveLength(known);
  });

  it('takes word of a message that is not there, and keeps it for a while', async () => {
    const mail = { id: 'none', at: new Date(), recipients: ['ada@x.test'], raw: Buffer.from('x') };
    const { status } = await started.simulator.report(mail, 'delivered');
    expect(status).toBe(200);
  });

  it('is shut while the channel is stopped', async () => {
    await ada.call('PATCH', `/v1/channels/${channel.id}`, { is_active: false });
    expect((await repeat(started.simulator.calls.at(-1)!)).status).toBe(409);
  });
});
