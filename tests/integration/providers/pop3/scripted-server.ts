import { createServer, type AddressInfo, type Socket } from 'node:net';

/** A server of another make than Dovecot: what it answers is the test's to say. */
export interface ScriptedServer {
  readonly port: number;
  /** Every command it was given, in order. */
  readonly commands: string[];
  close(): Promise<void>;
}

/**
 * @param answers by the command's beginning, the longest first: whole answers without their last line end. Where
 * none fits, a mailbox without mail answers.
 */
export async function scriptedServer(
  answers: Readonly<Record<string, string>>,
  greeting = '+OK ready',
): Promise<ScriptedServer> {
  const commands: string[] = [];
  const open = new Set<Socket>();
  const all: Readonly<Record<string, string>> = { ...EMPTY, ...answers };
  const beginnings = Object.keys(all).sort((a, b) => b.length - a.length);
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => open.delete(socket));
    socket.write(`${greeting}\r\n`);
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString();
      const lines = text.split('\r\n');
      text = lines.pop()!;
      for (const line of lines) {
        commands.push(line);
        const found = beginnings.find((beginning) => line.startsWith(beginning));
        socket.write(`${found === undefined ? '-ERR unknown' : all[found]}\r\n`);
        if (line === 'QUIT') socket.end();
      }
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    port: (server.address() as AddressInfo).port,
    commands,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        for (const socket of open) socket.destroy();
      }),
  };
}

const EMPTY = {
  USER: '+OK',
  PASS: '+OK',
  UIDL: '+OK\r\n.',
  LIST: '+OK\r\n.',
  QUIT: '+OK bye',
};
