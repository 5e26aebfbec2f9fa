import { describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createLogger } from './log.ts';

function logged(write: (log: ReturnType<typeof createLogger>) => void): string {
  let text = '';
  write(createLogger('debug', { write: (line) => void (text += line) }));
  return text;
}

describe('the log', () => {
  it('shows no address, wherever it stands', () => {
    const text = logged((log) => {
      log.info({ reason: 'ada@example.com said no', deep: { list: ['Grüße@bücher.example'] } });
      log.warn('mail of <ada.b+c@mail.example.co.uk> not taken');
      log.error({ err: new Error('550 ada@example.com unknown') }, 'failed');
    });
    expect(text).not.toMatch(/ada|bücher|Grüße/);
    expect(text.match(/\[address\]/g)).toHaveLength(4);
  });

  it('leaves alone what only looks like one', () => {
    const text = logged((log) =>
      log.info({
        worker: '71@mailboxes',
        version: 'pino@10.4.0',
        at: 'node_modules/@temporalio/a.ts',
      }),
    );
    for (const kept of ['71@mailboxes', 'pino@10.4.0', '@temporalio/a.ts'])
      expect(text).toContain(kept);
  });

  it('cuts fields that hold secrets and texts', () => {
    const text = logged((log) =>
      log.info({
        password: 'hunter2',
        settings: { token: 'hunter2', list: [{ subject: 'hunter2' }] },
      }),
    );
    expect(text).not.toContain('hunter2');
  });

  it('shows where a statement failed, and no value of its row', () => {
    const error = new pg.DatabaseError(
      'duplicate key value violates unique constraint "by_name"',
      1,
      'error',
    );
    Object.assign(error, {
      severity: 'ERROR',
      code: '23505',
      routine: '_bt_check_unique',
      constraint: 'by_name',
      table: 'contacts',
      detail: 'Key (name)=(Marker Lovelace) already exists.',
      where: 'Marker',
    });
    const quoting = new pg.DatabaseError(
      'invalid input syntax for type json: "Marker"',
      1,
      'error',
    );
    Object.assign(quoting, { severity: 'ERROR', code: '22P02', routine: 'json_errsave' });
    const text = logged((log) => {
      log.error({ err: error });
      log.error({ err: new Error('not stored', { cause: quoting }) });
    });
    expect(text).not.toContain('Marker');
    for (const kept of ['23505', 'by_name', 'contacts', '22P02', 'not stored'])
      expect(text).toContain(kept);
  });

  it('shows a mail server’s code, and not its words', () => {
    const error = Object.assign(new Error('Message failed: 554 Marker is on holiday'), {
      code: 'EENVELOPE',
      responseCode: 554,
      response: '554 Marker is on holiday',
      rejected: ['Marker'],
    });
    const text = logged((log) => log.warn({ err: error }, 'not sent'));
    expect(text).not.toContain('Marker');
    expect(text).toContain('554');
  });
});
