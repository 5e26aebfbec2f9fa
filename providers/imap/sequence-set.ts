/** UIDs as IMAP writes them, runs drawn together: `1:3,7` (RFC 3501 `sequence-set`). */
export function sequenceSet(uids: readonly number[]): string {
  const runs: [first: number, last: number][] = [];
  for (const uid of [...uids].sort((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run && uid <= run[1] + 1) run[1] = uid;
    else runs.push([uid, uid]);
  }
  return runs.map(([first, last]) => (first === last ? `${first}` : `${first}:${last}`)).join(',');
}
