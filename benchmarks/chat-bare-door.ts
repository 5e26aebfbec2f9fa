import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';

/** A door that checks the signature, writes the body as one row, and answers when that is on the disk. */
export async function bareDoor(databaseUrl: string, secret: string) {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 });
  await pool.query('create table if not exists bare_door (body bytea not null)');
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const right = createHmac('sha256', secret).update(body).digest();
      const given = String(request.headers['x-hub-signature-256']).replace(/^sha256=/, '');
      const isRight = timingSafeEqual(right, Buffer.from(given, 'hex'));
      const stored = isRight
        ? pool.query('insert into bare_door values ($1)', [body])
        : Promise.reject(new Error('forged'));
      stored.then(
        () => response.writeHead(200).end(),
        () => response.writeHead(500).end(),
      );
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, // listens on TCP: never a path
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await pool.query('drop table bare_door');
      await pool.end();
    },
  };
}
