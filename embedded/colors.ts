import pc from 'picocolors';

/** Colours for people at a terminal; what is piped away is plain, whatever CI systems are said to show. */
export const colors = pc.createColors(process.stdout.isTTY === true && pc.isColorSupported);
