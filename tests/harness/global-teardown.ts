/** Waits until every shared server is gone. */
export default async function globalTeardown(): Promise<void> {
  const server = globalThis.postroomTestParts;
  if (server === undefined || server.exitCode !== null) return;
  const gone = new Promise((done) => server.once('exit', done));
  server.stdin?.end();
  await gone;
}
