import type { Simulator } from './contract.ts';

/** What `npm run simulator -- NAME` starts. */
export interface StartableSimulator {
  /** As in `npm run simulator -- NAME`. */
  readonly name: string;
  /** What it plays, in a few words. */
  readonly title: string;
  /** `port` 0: any free one. */
  readonly start: (port: number) => Promise<StartedSimulator>;
}

export interface StartedSimulator extends Pick<Simulator, 'url' | 'close'> {
  /** How a channel is pointed to it, line by line: provider and settings, and the vendor's own controls. */
  readonly pointing: readonly string[];
}

/** Every simulator that can be started by hand; each is loaded when it is asked for. */
export const simulators: Readonly<Record<string, () => Promise<StartableSimulator>>> = {
  mailgun: async () => (await import('./mailgun/startable.ts')).mailgun,
  pop3: async () => (await import('./pop3/startable.ts')).pop3,
  postmark: async () => (await import('./postmark/startable.ts')).postmark,
  sendgrid: async () => (await import('./sendgrid/startable.ts')).sendgrid,
  ses: async () => (await import('./ses/startable.ts')).ses,
  gmail: async () => (await import('./gmail/startable.ts')).gmail,
  graph: async () => (await import('./graph/startable.ts')).graph,
  meta: async () => (await import('./meta/startable.ts')).meta,
  oidc: async () => (await import('./oidc/startable.ts')).oidc,
};
