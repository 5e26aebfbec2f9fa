import { colors as pc } from './colors.ts';
import { DEMO_ADDRESS } from './demo-tenant.ts';
import type { RunningState } from './running-state.ts';

export interface SummaryFacts extends RunningState {
  readonly home: string;
  /** Null after the first start: a key is shown once. */
  readonly firstKey: string | null;
}

/** What `npm start` ends with: where everything is, and two commands that work as printed. */
export function summary(facts: SummaryFacts): string {
  const key = facts.firstKey ?? '$(npm run --silent key)';
  const keyLine = facts.firstKey
    ? `${facts.firstKey}   (shown once; \`npm run --silent key\` makes another)`
    : '`npm run --silent key` makes a new one';
  return `
${pc.bold(pc.green('Postroom is running.'))}

  API docs      ${facts.apiUrl}/docs
  Temporal UI   ${facts.temporalUiUrl}
  Mail door     smtp://${facts.smtpHost}:${facts.smtpPort}   for ${DEMO_ADDRESS}
  API key       ${keyLine}
  State, logs   ${facts.home}

${pc.bold('Send a mail:')}
${sendMailCommand(facts.smtpHost, facts.smtpPort)}

${pc.bold('Show its ticket:')}
curl -s -H "Authorization: Bearer ${key}" '${facts.apiUrl}/v1/tickets?limit=1'

Ctrl-C ends it; everything is kept.
`;
}

/** One line for any shell; its Message-ID is new each time, or a repeat would count as a duplicate. */
export function sendMailCommand(host: string, port: number): string {
  const mail = [
    'From: Ada <ada@example.com>',
    `To: ${DEMO_ADDRESS}`,
    'Subject: The printer is on fire',
    'Message-ID: <$(date +%s)@example.com>',
    '',
    'Please help.',
    '',
  ].join('\\r\\n');
  return (
    `printf "${mail}" | curl -sS smtp://${host}:${port} ` +
    `--mail-from ada@example.com --mail-rcpt ${DEMO_ADDRESS} -T -`
  );
}
