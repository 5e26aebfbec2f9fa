import { smtpSink, type SmtpSink } from '../../../harness/index.ts';
import type { SmtpFault } from '../../../harness/smtp-sink.ts';
import type { SendFault, SenderOutside } from './contract.ts';

const FAULTS: Record<SendFault, SmtpFault> = {
  refused: { kind: 'reject', at: 'rcpt', code: 550 },
  busy: { kind: 'reject', at: 'data', code: 451 },
  lost: { kind: 'drop' },
  answer_lost: { kind: 'drop_after_data' },
};

/** The outside of every channel that answers by a submission server. @param more the channel's other settings */
export async function submissionOutside(more: object = {}): Promise<SenderOutside> {
  const sink = await smtpSink();
  return {
    settings: { ...more, smtp: outgoingServer(sink) },
    sent: () => sink.mails.map(({ raw }) => raw),
    failNext: (fault) => sink.failNext(FAULTS[fault]),
    afterLostAnswer: 'uncertain',
    close: () => sink.close(),
  };
}

function outgoingServer({ host, port }: SmtpSink) {
  return { host, port, security: 'none' };
}
