// Suites: unit beside the code; the others by folder. Node runs the same files natively; @swc/jest
// strips the types because jest loads modules itself.
const transform = {
  '^.+\\.tsx?$': [
    '@swc/jest',
    {
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
      module: { type: 'es6' },
      sourceMaps: 'inline',
    },
  ],
};

const ignored = ['/node_modules/', '<rootDir>/\\.postroom', '<rootDir>/console/dist/'];

const suite = (displayName, testMatch, more = {}) => ({
  displayName,
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts', '.tsx'],
  transform,
  testMatch,
  testPathIgnorePatterns: ignored,
  modulePathIgnorePatterns: ['<rootDir>/\\.postroom'],
  injectGlobals: false,
  ...more,
});

/** @type {import('jest').Config} */
export default {
  projects: [
    suite('unit', ['<rootDir>/**/*.test.ts'], {
      testPathIgnorePatterns: [...ignored, '<rootDir>/tests/'],
    }),
    suite('workflow', ['<rootDir>/tests/workflow/**/*.test.ts']),
    suite('integration', ['<rootDir>/tests/integration/**/*.test.ts']),
    suite('replay', ['<rootDir>/tests/replay/**/*.test.ts']),
    suite('e2e', ['<rootDir>/tests/e2e/**/*.test.ts']),
    suite('chaos', ['<rootDir>/tests/chaos/**/*.test.ts']),
  ],
  globalSetup: '<rootDir>/tests/harness/global-setup.ts',
  globalTeardown: '<rootDir>/tests/harness/global-teardown.ts',
  maxWorkers: 2,
  workerIdleMemoryLimit: '700MB',
  testTimeout: 180_000,
  forceExit: true,
  watchman: false,
};
