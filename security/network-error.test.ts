import { createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { explainNetworkError } from './network-error.ts';
import { createGuardedNetwork } from './ssrf-guard.ts';

const garbled = createServer((socket) => socket.end('this is no HTTP\r\n\r\n'));
const silent = createServer((socket) => socket.destroy());
const portOf = (server: typeof garbled) => (server.address() as AddressInfo).port;
beforeAll(async () => {
  for (const server of [garbled, silent])
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
});
afterAll(() => {
  garbled.close();
  silent.close();
});

/** What a real request to this URL fails with. */
async function faultOf(url: string, resolver?: () => Promise<never>) {
  const network = createGuardedNetwork({ allow: ['127.0.0.1'], resolver });
  const error: unknown = await network.fetch(url).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return explainNetworkError(error);
}

describe('explainNetworkError', () => {
  it('says that nothing listens', async () => {
    const closed = createServer();
    await new Promise<void>((done) => closed.listen(0, '127.0.0.1', done));
    const port = portOf(closed);
    await new Promise((done) => closed.close(done));
    expect(await faultOf(`http://127.0.0.1:${port}/`)).toEqual({
      code: 'ECONNREFUSED',
      message: expect.stringContaining('nothing listens'),
    });
  });

  it('says that what answers is no web server, or hangs up', async () => {
    const { message } = await faultOf(`http://127.0.0.1:${portOf(garbled)}/`);
    expect(message).toBe('What answered does not speak HTTP.');
    const { message: hungUp } = await faultOf(`http://127.0.0.1:${portOf(silent)}/`);
    expect(hungUp).toContain('broke the connection off');
  });

  it('says that TLS meets a plain port', async () => {
    const { message } = await faultOf(`https://127.0.0.1:${portOf(garbled)}/`);
    expect(message).toContain('TLS could not be agreed on');
  });

  it('says that a name is unknown, and what is refused', async () => {
    const unknown = () => Promise.reject(Object.assign(new Error('gone'), { code: 'ENOTFOUND' }));
    expect((await faultOf('http://gone.example/', unknown)).message).toContain('(DNS)');
    expect(await faultOf('http://10.0.0.1/')).toMatchObject({ code: 'target_refused' });
    expect((await faultOf('http://127.0.0.1:6000/')).code).toBe('bad_port');
  });

  it('has words for what it does not know', () => {
    expect(explainNetworkError('odd')).toEqual({
      code: 'unknown',
      message: 'The connection failed.',
    });
    const odd = Object.assign(new Error('odd'), { code: 'EODD' });
    expect(explainNetworkError(odd).message).toBe('The connection failed (EODD).');
  });
});
