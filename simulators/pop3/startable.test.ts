import { existsSync } from 'node:fs';
import { connect } from 'node:tls';
import { expect, it } from '@jest/globals';
import { pop3 } from './startable.ts';

(existsSync('/usr/lib/dovecot/pop3') ? it : it.skip)(
  'starts a mail server that gives by POP3 what its door was given',
  async () => {
    const { url, pointing, close } = await pop3.start(0);
    try {
      const delivered = await fetch(`${url}/_control/deliver`, {
        method: 'POST',
        headers: { 'content-type': 'message/rfc822' },
        body: 'Subject: by hand\r\n\r\nHello\r\n',
      });
      expect(delivered.status).toBe(202);
      const settings = JSON.parse(/settings (\{.*\})/.exec(pointing[0]!)![1]!) as {
        port: number;
        username: string;
        password: string;
      };
      const socket = connect({
        host: '127.0.0.1',
        port: settings.port,
        rejectUnauthorized: false,
      });
      socket.write(`USER ${settings.username}\r\nPASS ${settings.password}\r\nRETR 1\r\nQUIT\r\n`);
      let said = '';
      for await (const bytes of socket as AsyncIterable<Buffer>) said += bytes.toString();
      expect(said).toContain('Subject: by hand');
    } finally {
      await close();
    }
  },
);
