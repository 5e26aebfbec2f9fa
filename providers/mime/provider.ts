import { DoorRefusal, type ChannelProvider } from '../contract.ts';
import { submit } from '../submission.ts';
import { validateOutgoing } from '../submission-trial.ts';
import { realTime } from './real-time.ts';
import { manifest, type MimeSettings } from './manifest.ts';

export const mime: ChannelProvider<MimeSettings> = {
  manifest,
  async validate(call) {
    const problems = await validateOutgoing(call, call.settings.smtp);
    const warnings = manifest.warnings?.(call.settings) ?? [];
    return { ok: problems.length === 0, problems, warnings };
  },
  door: {
    verify({ headers }, _call, tokenMatches) {
      const { authorization } = headers;
      const token = /^Bearer +(\S+)$/i.exec(String(authorization ?? ''))?.[1];
      if (token === undefined || !tokenMatches(token))
        throw new DoorRefusal(401, 'mime.token_refused', 'The ingress token is missing or wrong.');
    },
    async receive({ body, receivedAt }) {
      if (body.length === 0)
        throw new DoorRefusal(400, 'mime.empty', 'The body must be a raw mail (RFC 5322).');
      return { sources: [{ source: body, providerMessageId: null, receivedAt }] };
    },
  },
  realTime,
  sender: { send: submit, hasWayOut: ({ smtp: server }) => server !== undefined },
};
