import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { makeCertificate, type Certificate } from '../tests/harness/certificate.ts';
import { httpSink, type HttpSink } from '../tests/harness/index.ts';
import { createGuardedNetwork, readTargetUrl, TargetRefused } from './ssrf-guard.ts';

const resolvesTo =
  (...addresses: string[]) =>
  async () =>
    addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));

let sink: HttpSink;
beforeAll(async () => {
  sink = await httpSink();
});
afterAll(() => sink.close());
beforeEach(() => void sink.requests.splice(0));

describe('fetch', () => {
  it('refuses a name that leads to a private address, and never connects', async () => {
    const network = createGuardedNetwork({ allow: [], resolver: resolvesTo('127.0.0.1') });
    const call = network.fetch(`http://hooks.example:${sink.port}/`);
    await expect(call).rejects.toThrow(TargetRefused);
    await expect(call).rejects.toThrow(/hooks\.example .*POSTROOM_ALLOW_PRIVATE_TARGETS/);
    expect(sink.requests).toHaveLength(0);
  });

  it('does not tell the address of an internal name', async () => {
    const network = createGuardedNetwork({ allow: [], resolver: resolvesTo('10.20.30.40') });
    await expect(network.fetch('http://db.internal/')).rejects.not.toThrow('10.20.30.40');
  });

  it.each(['127.0.0.1', '2130706433', '0x7f000001', '0177.0.0.1', '127.1', '[::ffff:127.0.0.1]'])(
    'refuses loopback written as %s',
    async (host) => {
      const network = createGuardedNetwork({ allow: [] });
      await expect(network.fetch(`http://${host}:${sink.port}/`)).rejects.toThrow(TargetRefused);
      expect(sink.requests).toHaveLength(0);
    },
  );

  it.each([['hooks.example'], ['127.0.0.0/8'], ['*.example']])(
    'reaches a private target that %s permits',
    async (item) => {
      const network = createGuardedNetwork({ allow: [item], resolver: resolvesTo('127.0.0.1') });
      const response = await network.fetch(`http://hooks.example:${sink.port}/path`, {
        method: 'POST',
        body: 'hello',
        headers: { 'x-a': 'b' },
      });
      expect(response.status).toBe(200);
      expect(sink.requests[0]).toMatchObject({ method: 'POST', path: '/path' });
      expect(sink.requests[0]!.headers).toMatchObject({
        'x-a': 'b',
        host: `hooks.example:${sink.port}`,
      });
      expect(sink.requests[0]!.body.toString()).toBe('hello');
    },
  );

  it('goes round an address that is refused when another is permitted', async () => {
    const network = createGuardedNetwork({
      allow: ['127.0.0.1'],
      resolver: resolvesTo('10.0.0.1', '127.0.0.1'),
    });
    expect((await network.fetch(`http://both.example:${sink.port}/`)).status).toBe(200);
  });

  it('connects to the address it checked, though the name changes its mind after', async () => {
    let asked = 0;
    const network = createGuardedNetwork({
      allow: ['127.0.0.1'],
      resolver: async () => [{ address: asked++ === 0 ? '127.0.0.1' : '10.0.0.1', family: 4 }],
    });
    const url = `http://rebind.example:${sink.port}/`;
    expect((await network.fetch(url)).status).toBe(200);
    expect(asked).toBe(1);
    await network.close();
    const later = createGuardedNetwork({ allow: [], resolver: resolvesTo('10.0.0.1') });
    await expect(later.fetch(url)).rejects.toThrow(TargetRefused);
  });

  it('follows no redirect', async () => {
    sink.answerNext({ status: 302, headers: { location: `${sink.url}/elsewhere` } });
    const network = createGuardedNetwork({ allow: ['127.0.0.1'] });
    const response = await network.fetch(`http://127.0.0.1:${sink.port}/first`);
    expect(response.status).toBe(302);
    expect(sink.requests.map(({ path }) => path)).toEqual(['/first']);
  });

  it('keeps connections for the next request', async () => {
    let resolved = 0;
    const network = createGuardedNetwork({
      allow: ['127.0.0.1'],
      resolver: async () => {
        resolved++;
        return [{ address: '127.0.0.1', family: 4 }];
      },
    });
    for (let i = 0; i < 12; i++)
      await (await network.fetch(`http://pool.example:${sink.port}/`)).text();
    expect(resolved).toBeLessThan(4);
  });

  it('passes on the resolver’s own error', async () => {
    const network = createGuardedNetwork({
      allow: [],
      resolver: async () => {
        throw Object.assign(new Error('not found'), { code: 'ENOTFOUND' });
      },
    });
    await expect(network.fetch('http://gone.example/')).rejects.toMatchObject({
      cause: { code: 'ENOTFOUND' },
    });
  });
});

describe('TLS', () => {
  let folder: string;
  let certificate: Certificate;
  let server: ReturnType<typeof createTlsServer>;
  let names: (string | undefined)[];
  let port: number;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'guard-'));
    certificate = await makeCertificate(folder);
    server = createTlsServer(
      {
        cert: certificate.cert,
        key: certificate.key,
        SNICallback: (name, done) => {
          names.push(name);
          done(null);
        },
      },
      (_request, response) => response.end('ok'),
    );
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    ({ port } = server.address() as AddressInfo);
  });
  beforeEach(() => {
    names = [];
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });

  const network = (options = {}) =>
    createGuardedNetwork({ allow: ['127.0.0.1'], resolver: resolvesTo('127.0.0.1'), ...options });

  it('checks the certificate against the host’s name, not the address, and sends it by SNI', async () => {
    const trusting = network({ ca: certificate.cert });
    expect((await trusting.fetch(`https://localhost:${port}/`)).status).toBe(200);
    expect(names).toEqual(['localhost']);
    await expect(trusting.fetch(`https://other.example:${port}/`)).rejects.toMatchObject({
      cause: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    });
  });

  it('refuses an unknown authority, and takes any certificate where told to', async () => {
    const guarded = network();
    const url = `https://localhost:${port}/`;
    await expect(guarded.fetch(url)).rejects.toMatchObject({
      cause: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    });
    expect((await guarded.fetch(url, { verifyTls: false })).status).toBe(200);
    await expect(guarded.fetch(url)).rejects.toThrow('fetch failed');
  });
});

describe('resolve and lookup', () => {
  it('gives the one address to connect to', async () => {
    const network = createGuardedNetwork({ allow: [], resolver: resolvesTo('93.184.216.34') });
    await expect(network.resolve('mail.example')).resolves.toEqual({
      host: 'mail.example',
      address: '93.184.216.34',
      family: 4,
    });
    await expect(network.resolve('[2606:4700::1]')).resolves.toMatchObject({ family: 6 });
  });

  it.each(['localhost', '127.0.0.1', '::1', '[::1]', 'LOCALHOST.', '0x7f.1', 'fe80::1%lo'])(
    'refuses %s',
    async (host) => {
      const network = createGuardedNetwork({ allow: [] });
      await expect(network.resolve(host)).rejects.toThrow(TargetRefused);
    },
  );

  it('gives up on a resolver that does not answer', async () => {
    const network = createGuardedNetwork({
      allow: [],
      resolver: () => new Promise(() => undefined),
      timeoutMs: 30,
    });
    await expect(network.resolve('slow.example')).rejects.toMatchObject({ code: 'ETIMEOUT' });
  });

  it('guards a plain socket', async () => {
    const guarded = (allow: string[]) =>
      createGuardedNetwork({ allow, resolver: resolvesTo('127.0.0.1') }).lookup;
    const open = (allow: string[]) =>
      new Promise((done) => {
        const socket = connect({ host: 'mail.example', port: sink.port, lookup: guarded(allow) });
        socket.once('connect', () => done('connected'));
        socket.once('error', done);
        socket.once('close', () => socket.destroy());
      });
    await expect(open(['mail.example'])).resolves.toBe('connected');
    await expect(open([])).resolves.toBeInstanceOf(TargetRefused);
  });
});

describe('readTargetUrl', () => {
  it.each(['ftp://host/', 'file:///etc/passwd', 'https://user:pw@host/', 'host/path', 'http://'])(
    'refuses %s',
    (url) => {
      expect(() => readTargetUrl(url)).toThrow(TargetRefused);
    },
  );
});
