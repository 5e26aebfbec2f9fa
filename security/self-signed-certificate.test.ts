import { describe, expect, it } from '@jest/globals';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import { makeSelfSigned } from './self-signed-certificate.ts';

describe('makeSelfSigned', () => {
  it('makes a certificate that names its hosts and fits its key', () => {
    const { cert, key } = makeSelfSigned(['mail.example.test', 'localhost', '127.0.0.1']);
    const read = new X509Certificate(cert);
    expect(read.subject).toBe('CN=mail.example.test');
    expect(read.subjectAltName).toBe('DNS:mail.example.test, DNS:localhost, IP Address:127.0.0.1');
    expect(read.verify(read.publicKey)).toBe(true);
    expect(read.checkPrivateKey(createPrivateKey(key))).toBe(true);
    expect(BigInt(`0x${read.serialNumber}`)).toBeGreaterThan(0n);
  });

  it('makes one with an RSA key where that is asked for', () => {
    const { cert, key } = makeSelfSigned(['sns.example.test'], { keyType: 'rsa' });
    const read = new X509Certificate(cert);
    expect(read.publicKey.asymmetricKeyType).toBe('rsa');
    expect(read.verify(read.publicKey)).toBe(true);
    expect(read.checkPrivateKey(createPrivateKey(key))).toBe(true);
  });

  it('is valid from a day ago, so that clocks may differ, and writes years after 2049', () => {
    const { cert } = makeSelfSigned(['a.test'], { now: new Date('2045-03-01T00:00:00Z') });
    const read = new X509Certificate(cert);
    expect(new Date(read.validFrom).toISOString()).toBe('2045-02-28T00:00:00.000Z');
    expect(new Date(read.validTo).getUTCFullYear()).toBe(2055);
  });

  it('serves TLS that a client who trusts it accepts', async () => {
    const { cert, key } = makeSelfSigned(['localhost', '127.0.0.1']);
    const server = createServer({ cert, key }, (socket) => socket.end('hello'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const socket = connect({ host: '127.0.0.1', port, ca: cert });
    const [greeting] = await once(socket, 'data');
    expect(String(greeting)).toBe('hello');
    server.close();
  });
});
