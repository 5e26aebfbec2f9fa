import { describe, expect, it } from '@jest/globals';
import { cloudOf, mailboxPath } from './cloud.ts';
import { withInstallationApp } from '../environment.ts';
import { manifest, Microsoft365Settings } from './manifest.ts';
import { isApplication } from './sign-in.ts';

const parsed = (settings: object) => Microsoft365Settings.parse(settings);

describe('cloudOf', () => {
  it.each([
    ['https://graph.microsoft.com', 'https://login.microsoftonline.com'],
    ['https://graph.microsoft.us', 'https://login.microsoftonline.us'],
    ['https://dod-graph.microsoft.us', 'https://login.microsoftonline.us'],
    ['https://microsoftgraph.chinacloudapi.cn', 'https://login.chinacloudapi.cn'],
  ])('knows where %s signs in', (graph, login) => {
    expect(cloudOf(parsed({ base_url: `${graph}/v1.0/` }))).toEqual({
      graph,
      login,
      resource: graph,
    });
  });

  it('asks a proxy for both, for tokens of the worldwide cloud', () => {
    expect(cloudOf(parsed({ base_url: 'http://127.0.0.1:8080/' }))).toEqual({
      graph: 'http://127.0.0.1:8080',
      login: 'http://127.0.0.1:8080',
      resource: 'https://graph.microsoft.com',
    });
    const apart = parsed({ base_url: 'http://a.test', login_base_url: 'http://b.test/' });
    expect(cloudOf(apart)).toMatchObject({ graph: 'http://a.test', login: 'http://b.test' });
  });
});

it('asks for one’s own mailbox by /me, and for another by its escaped name', () => {
  expect(mailboxPath(parsed({}))).toBe('/me');
  expect(mailboxPath(parsed({ mailbox: 'a+b@x.test' }))).toBe('/users/a%2Bb%40x.test');
});

it('lends the installation’s app to connected accounts alone, whatever a channel says', () => {
  const environment = {
    MICROSOFT_TENANT_ID: 'operator',
    MICROSOFT_CLIENT_ID: 'c',
    MICROSOFT_CLIENT_SECRET: 's',
  };
  for (const asked of [{ mailbox: 'ceo@x.test' }, { mailbox: 'ceo@x.test', auth: 'application' }]) {
    const lent = parsed(withInstallationApp(manifest, asked, environment) as object);
    expect(lent).toMatchObject({ tenant_id: 'operator', client_id: 'c', client_secret: 's' });
    expect(isApplication(lent)).toBe(false);
  }
  const elsewhere = { mailbox: 'ceo@x.test', tenant_id: 'another', auth: 'application' };
  expect(withInstallationApp(manifest, elsewhere, environment)).toEqual(elsewhere);
  const own = { mailbox: 'a@x.test', tenant_id: 't', client_id: 'own', client_secret: 'own' };
  expect(withInstallationApp(manifest, own, environment)).toEqual(own);
});

describe('settings', () => {
  const app = { tenant_id: 't', client_id: 'c', client_secret: 's', mailbox: 'a@x.test' };

  it.each([
    [app, true],
    [{ ...app, auth: 'delegated' }, false],
    [{ ...app, refresh_token: 'r' }, false],
    [{ ...app, access_token: 'a' }, false],
    [{ ...app, mailbox: undefined }, false],
    [{}, false],
  ])('%o act for the application: %s', (settings, expected) => {
    expect(isApplication(parsed(settings))).toBe(expected);
  });

  it.each([
    ['a folder of own mail', { folder: 'sentitems' }],
    ['drafts among others', { folder: ['inbox', 'Drafts'] }],
    ['a mailbox that is a path', { mailbox: '../users' }],
    ['a tenant that is a path', { tenant_id: 'a/b' }],
    ['an address that is none', { base_url: 'graph.microsoft.us' }],
    ['the application without a mailbox', { auth: 'application', tenant_id: 't' }],
  ])('refuse %s', (_what, settings) => {
    expect(Microsoft365Settings.safeParse(settings).success).toBe(false);
  });
});
