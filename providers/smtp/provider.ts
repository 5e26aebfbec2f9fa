import type { ChannelProvider } from '../contract.ts';
import { submit } from '../submission.ts';
import { validateOutgoing } from '../submission-trial.ts';
import { manifest, type SmtpSettings } from './manifest.ts';

export const smtp: ChannelProvider<SmtpSettings> = {
  manifest,
  async validate(call) {
    const problems = await validateOutgoing(call, call.settings.smtp);
    const warnings = manifest.warnings?.(call.settings) ?? [];
    return { ok: problems.length === 0, problems, warnings };
  },
  sender: { send: submit, hasWayOut: ({ smtp: server }) => server !== undefined },
};
