import { isatty } from 'node:tty';
import pc from 'picocolors';

/** Whether a person is looking; what is piped away is plain, whatever CI systems are said to show. */
export const isWatched = isatty(1);

export const colors = pc.createColors(isWatched && pc.isColorSupported);
