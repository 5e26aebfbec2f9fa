import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, type Environment } from '../../embedded/cache.ts';
import type { Progress } from '../../embedded/progress.ts';
import { runCommand } from '../../embedded/run-command.ts';

const VERSION = '1.38.0';
const MAVEN_MS = 5 * 60_000;

/**
 * Path of an executable that starts Temporal's time-skipping server (Java, from Maven Central, kept
 * in the per-user cache), or why there is none.
 */
export async function timeSkippingServer(
  environment: Environment,
  progress: Progress,
): Promise<{ path: string } | { missing: string }> {
  const folder = join(cacheFolder(environment), `temporal-test-server-${VERSION}`);
  const path = join(folder, 'server.sh');
  const java = await runCommand('java', ['-version'], { timeoutMs: 15_000 });
  if (java.code !== 0) return { missing: 'Java 11 or later is not installed (`java` on PATH)' };
  if (existsSync(path)) return { path };
  const fault = await progress.step("Fetching Temporal's time-skipping server with Maven", () =>
    fetchJars(folder),
  );
  return fault === undefined ? { path } : { missing: fault };
}

async function fetchJars(folder: string): Promise<string | undefined> {
  mkdirSync(join(folder, '..'), { recursive: true });
  const making = mkdtempSync(`${folder}.making-`);
  try {
    writeFileSync(join(making, 'pom.xml'), POM);
    const { code, output } = await runCommand(
      'mvn',
      [
        '--quiet',
        '--batch-mode',
        'dependency:copy-dependencies',
        '-DincludeScope=runtime',
        `-DoutputDirectory=${join(making, 'jars')}`,
      ],
      { cwd: making, timeoutMs: MAVEN_MS },
    );
    if (code !== 0)
      return `Maven could not fetch it: ${output.trim().split('\n').slice(0, 3).join(' ')}`;
    writeFileSync(join(making, 'server.sh'), launcher(join(folder, 'jars')));
    chmodSync(join(making, 'server.sh'), 0o755);
    rmSync(folder, { recursive: true, force: true });
    renameSync(making, folder);
    return undefined;
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

// Started by the SDK, which can be killed: a watcher ends the server a second after its parent.
const launcher = (jars: string) => `#!/bin/sh
parent=$PPID
( while kill -0 "$parent" && kill -0 $$; do sleep 1; done; kill $$ ) >/dev/null 2>&1 </dev/null &
exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx512m -cp '${jars}/*' \\
  io.temporal.testserver.TestServer "$@" --enable-time-skipping
`;

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>postroom</groupId>
  <artifactId>time-skipping-server</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>io.temporal</groupId>
      <artifactId>temporal-test-server</artifactId>
      <version>${VERSION}</version>
    </dependency>
  </dependencies>
</project>
`;
