// oxlint-disable unicorn/no-thenable -- a rule's `then` is an object, and awaits nothing
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Deps } from '../../activities/deps.ts';
import { reparse } from '../../activities/reparse.ts';
import { connect, inTenant, type Db } from '../../db/connection.ts';
import { insertAgent } from '../../db/queries/agents.ts';
import type { LoadedChannel } from '../../db/queries/channels.ts';
import { answeredTo } from '../../db/queries/routing.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import { newId, type TenantId } from '../../domain/ids.ts';
import type { MailAddress } from '../../domain/message.ts';
import { KeyRing } from '../../security/key-ring.ts';
import { testDatabase } from '../harness/index.ts';
import { ingestionDeps, mailChannel, receiveMail } from './ingested-mail.ts';

// Mail edge cases 14, 16 and 31: who asks, and which notices belong together; as it is stored.

const AGENT = 'grace@shop.example';
const SERVER = 'mx.shop.example';
const keys = KeyRing.parse(KeyRing.generate());
let db: Db;
let deps: Deps;
let tenantId: TenantId;
let channel: LoadedChannel;
let ours: string;

beforeAll(async () => {
  db = connect({ url: (await testDatabase()).url, poolSize: 4 });
  deps = ingestionDeps(db, keys);
});
afterAll(() => db.destroy());

beforeEach(async () => {
  tenantId = await ensureTenant(db, `tenant ${Math.random()}`);
  await newChannel(null);
  await insertAgent(db, tenantId, newId('agent'), {
    name: 'Grace',
    addresses: [AGENT],
    role: 'agent',
    is_active: true,
  });
});

async function newChannel(rules: object | null): Promise<void> {
  channel = await mailChannel(deps, tenantId, { settings: { trusted_servers: [SERVER] }, rules });
  ours = channel.facts.address!;
}

let count = 0;
async function receive(headers: string, body = 'Hello'): Promise<void> {
  count += 1;
  const id = /^Message-ID:/im.test(headers) ? '' : `Message-ID: <m${count}@mail.test>\r\n`;
  const source = Buffer.from(
    `${headers.trim().replaceAll(/\n\s*/g, '\r\n')}\r\n${id}Date: ${new Date().toUTCString()}\r\nX-Count: ${count}\r\n\r\n${body.replaceAll(/\r?\n/g, '\r\n')} ${count}`,
  );
  await receiveMail(deps, channel, source);
}

const tickets = () =>
  inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('tickets')
      .innerJoin('contact_addresses', 'contact_addresses.contact_id', 'tickets.requester_id')
      .select(['tickets.id', 'contact_addresses.address as requester'])
      .orderBy('tickets.number')
      .execute(),
  );
const requesters = async () => (await tickets()).map((ticket) => ticket.requester);
const answersGoTo = () =>
  inTenant(db, tenantId, async (tx) => {
    const { body, routing } = await tx
      .selectFrom('messages')
      .select(['body', 'routing'])
      .executeTakeFirstOrThrow();
    const { reply_to } = answeredTo(body as unknown as { reply_to: MailAddress[] }, routing);
    return reply_to.map(({ address }) => address);
  });

describe('edge 14: an agent forwards a customer’s mail', () => {
  const gmail = `See below.

---------- Forwarded message ---------
From: Ada Lovelace <ada@customer.example>
Date: Fri, 20 Nov 2026 at 10:00
Subject: Kettle
To: <grace@shop.example>

It is broken.`;
  const thunderbird = `
-------- Forwarded Message --------
Subject: \tKettle
Date: \tFri, 20 Nov 2026 10:00:00 +0100
From: \tAda Lovelace <ada@customer.example>
To: \tgrace@shop.example

It is broken.`;
  const outlook = `
________________________________
Von: Ada Lovelace [mailto:ada@customer.example]
Gesendet: Freitag, 20. November 2026 10:00
An: Grace
Betreff: Kessel

Er ist kaputt.`;
  const apple = `
Début du message réexpédié :

> De: Ada Lovelace <ada@customer.example>
> Objet: Bouilloire
> Date: 20 novembre 2026 à 10:00:00 UTC+1
> À: grace@shop.example
>
> Elle est cassée.`;

  const gmailInJapanese = `
---------- Forwarded message ---------
送信者: Ada Lovelace <ada@customer.example>
日付: 2026年11月20日(金) 10:00
件名: やかん
To: <grace@shop.example>

壊れています。`;
  const outlookAsText = `
*From:* Ada Lovelace <ada@customer.example<mailto:ada@customer.example>>
*Sent:* Friday, 20 November 2026 10:00
*To:* Grace <grace@shop.example<mailto:grace@shop.example>>
*Subject:* Kettle

It is broken.`;

  test.each([
    ['Gmail', 'Fwd: Kettle', gmail],
    ['Gmail, in Japanese', '転送: やかん', gmailInJapanese],
    ['Outlook, as text', 'FW: Kettle', outlookAsText],
    ['Thunderbird', 'Fwd: Kettle', thunderbird],
    ['Outlook, in German', 'WG: Kessel', outlook],
    ['Apple Mail, in French', 'Tr: Bouilloire', apple],
  ])('by %s: the customer asks, and is answered', async (_client, subject, body) => {
    await receive(`From: Grace <${AGENT}>\nTo: ${ours}\nSubject: ${subject}`, body);
    expect(await requesters()).toEqual(['ada@customer.example']);
    expect(await answersGoTo()).toEqual(['ada@customer.example']);
  });

  test('as an attachment', async () => {
    await receive(
      `From: Grace <${AGENT}>\nTo: ${ours}\nSubject: FW: Kettle\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b`,
      '--b\nContent-Type: text/plain\n\nPlease.\n--b\nContent-Type: message/rfc822\n\nFrom: Ada <ada@customer.example>\nSubject: Kettle\n\nIt is broken.\n--b--',
    );
    expect(await requesters()).toEqual(['ada@customer.example']);
  });

  test('a forward that tells no address of its author is the agent’s, not of one further down', async () => {
    const chain = `From: Ada Lovelace
Sent: Friday
To: Bob
Subject: Kettle

${outlookAsText.replaceAll('ada@', 'bob@')}`;
    await receive(`From: Grace <${AGENT}>\nTo: ${ours}\nSubject: FW: Kettle`, chain);
    expect(await requesters()).toEqual([AGENT]);
  });

  test('what the mail itself says stays, and reading it again changes neither that nor who asks', async () => {
    const passed = 'dmarc=pass header.from=shop.example';
    await receive(
      `Authentication-Results: mx.evil.test; dmarc=fail header.from=shop.example
       Authentication-Results: ${SERVER}; ${passed}
       From: Grace <${AGENT}>\nTo: ${ours}\nReply-To: ${AGENT}\nSubject: Fwd: Kettle`,
      gmail,
    );
    const again = await reparse(db, tenantId, { again: true }, () => {});
    expect(again).toMatchObject({ read: 1, changed: 0, failed: 0 });
    expect(await answersGoTo()).toEqual(['ada@customer.example']);
  });

  test('and nobody else’s forward, no agent’s own mail, and no forged agent moves the request', async () => {
    await receive(`From: Eve <eve@evil.test>\nTo: ${ours}\nSubject: Fwd: Kettle`, gmail);
    await receive(`From: Grace <${AGENT}>\nTo: ${ours}\nSubject: Kettle`, gmail);
    await receive(
      `Authentication-Results: ${SERVER}; dmarc=fail header.from=shop.example\nFrom: Grace <${AGENT}>\nTo: ${ours}\nSubject: Fwd: Kettle`,
      gmail,
    );
    await receive(
      `Authentication-Results: ${SERVER}; spf=fail smtp.mailfrom=shop.example; dkim=none\nFrom: Grace <${AGENT}>\nTo: ${ours}\nSubject: Fwd: Kettle`,
      gmail,
    );
    await receive(
      `From: Grace <${AGENT}>\nTo: ${ours}\nSubject: Fwd: Kettle`,
      'From: ada@customer.example we hear nothing. What do you think?',
    );
    expect(await requesters()).toEqual(['eve@evil.test', AGENT, AGENT, AGENT, AGENT]);
  });
});

describe('edge 16: notices of trackers', () => {
  const jira = (n: number) =>
    `From: "Ada (Jira)" <jira@shop.atlassian.net>
     To: ${ours}
     Subject: ${n === 1 ? '[JIRA] (SHOP-42) Kettle' : `[Jira] Updated: (SHOP-42) Kettle, now ${n}`}
     Message-ID: <JIRA.10042.1763632800000.${n}.176363280000${n}@Atlassian.JIRA>
     In-Reply-To: <JIRA.10042.1763632800000@Atlassian.JIRA>
     References: <JIRA.10042.1763632800000@Atlassian.JIRA> <JIRA.10042.176363280000@shop-jira>
     Auto-Submitted: no`;

  test('Jira’s all name one mail that never was sent: one ticket', async () => {
    for (const n of [1, 2, 3]) await receive(jira(n));
    expect(await tickets()).toHaveLength(1);
    await receive(jira(4).replaceAll('JIRA.10042', 'JIRA.10043').replaceAll('SHOP-42', 'SHOP-43'));
    expect(await tickets()).toHaveLength(2);
  });

  test('Jira’s root is nobody’s key: a stranger who names it gets a ticket of his own', async () => {
    await receive(jira(1));
    await receive(jira(2).replace('jira@shop.atlassian.net', 'eve@evil.test'));
    expect(await tickets()).toHaveLength(2);
  });

  test('ServiceNow’s have ids without brackets, commas between them and none that return: a rule groups them', async () => {
    await newChannel({
      rules: [
        {
          name: 'ServiceNow',
          when: { all: [{ field: 'domain', is: 'service-now.com' }] },
          then: { group_by: { in: 'subject', pattern: '((?:INC|CHG|RITM)\\d{7,})' } },
        },
      ],
    });
    const notice = (subject: string) =>
      `From: IT Service Desk <shop@service-now.com>
       To: ${ours}
       Subject: ${subject}
       Message-ID: 176363280.${(count += 1)}@app128
       References: ${count}.34@app128,${count}.78@app128, <incident:${String(count).repeat(16)}>
       X-ServiceNow-Generated: true`;
    await receive(notice('Incident INC0012345 has been opened on your behalf'));
    await receive(notice('INC0012345 - comments added'));
    await receive(notice('Re: Incident INC0012345 resolved (Ref:MSG0099)'));
    await receive(notice('INC0067890 - comments added'));
    expect(await tickets()).toHaveLength(2);
  });
});

describe('edge 31: a list that rewrites From', () => {
  const rewritten = (results: string, more: string, list = 'kettles@lists.example') =>
    `${results}
     From: "'Ada Lovelace' via Kettles" <${list}>
     To: ${ours}
     Reply-To: ${list}
     ${more}
     Subject: Kettle`;
  const author = 'X-Original-From: Ada Lovelace <ada@customer.example>';
  const signed = `Authentication-Results: ${SERVER}; dkim=pass header.d=customer.example header.s=s1; dmarc=pass header.from=lists.example`;

  test('the author asks where a signature of her domain still passes', async () => {
    await receive(rewritten(signed, author));
    expect(await requesters()).toEqual(['ada@customer.example']);
    expect(await answersGoTo()).toEqual(['ada@customer.example']);
  });

  test('and where a list of our own says that her domain passed', async () => {
    const own = `Authentication-Results: ${SERVER}; dmarc=pass header.from=shop.example`;
    const said = `X-Original-Sender: ada@customer.example
      X-Original-Authentication-Results: gmr-mx.google.com; dkim=pass header.i=@customer.example; dmarc=pass header.from=customer.example`;
    await receive(rewritten(own, said, ours));
    expect(await requesters()).toEqual(['ada@customer.example']);
  });

  test.each([
    ['X-Original-Sender alone', '', 'X-Original-Sender: ada@customer.example'],
    ['the verdict of a server that is not trusted', signed.replace(SERVER, 'mx.evil.test'), author],
    ['a signature of another domain', signed.replace('customer.example', 'evil.test'), author],
    ['a signature that fails', signed.replace('dkim=pass', 'dkim=fail'), author],
    ['two names that disagree', signed, `${author}\nX-Original-Sender: bob@other.example`],
    [
      'a foreign list that says so itself',
      `Authentication-Results: ${SERVER}; dmarc=pass header.from=lists.example`,
      `${author}\nX-Original-Authentication-Results: x; dmarc=pass header.from=customer.example`,
    ],
  ])('but the list itself, by %s', async (_what, results, more) => {
    await receive(rewritten(results, more));
    expect(await requesters()).toEqual(['kettles@lists.example']);
  });
});
