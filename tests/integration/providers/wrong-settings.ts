import { expect } from '@jest/globals';
import type { ChannelProvider } from '../../../providers/contract.ts';
import { providerCall } from './call.ts';

/** How a mail server's trial of wrong settings is looked at. @param settingsOf the right ones, with others in their place */
export function wrongSettings<Settings>(
  validate: NonNullable<ChannelProvider<Settings>['validate']>,
  settingsOf: (more: object) => Settings,
) {
  /** @returns the first thing that is wrong */
  async function problem(more: object) {
    const { ok, problems } = await validate(providerCall(settingsOf(more), { timeoutMs: 3000 }));
    expect(ok).toBe(false);
    return problems[0]!;
  }
  return {
    problem,

    /** Whichever server it is. @param plainPort where it speaks without TLS */
    async areTold(plainPort: number): Promise<void> {
      expect(await problem({ password: 'wrong' })).toMatchObject({
        step: 'login',
        pointer: '/settings/password',
      });
      expect(await problem({ port: 1 })).toMatchObject({ step: 'port' });
      expect(await problem({ host: 'nowhere.invalid' })).toMatchObject({ step: 'host' });
      expect(await problem({ host: '10.1.2.3' })).toMatchObject({
        step: 'host',
        detail: expect.stringContaining('POSTROOM_ALLOW_PRIVATE_TARGETS'),
      });
      expect(await problem({ ca: undefined })).toMatchObject({
        step: 'tls',
        detail: expect.stringContaining('"ca"'),
      });
      expect(await problem({ port: plainPort })).toMatchObject({ step: 'tls' });
    },
  };
}
