// The SDK's advice on Node versions is no part of a test's output; `local/bootstrap.mjs` does the same for programs.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';

/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  // Many tests start real servers; the limit is there to end a hang, not to measure.
  testTimeout: 30_000,
  testSequencer: '<rootDir>/test/support/longest-first.cjs',
  transform: {
    '\\.[cm]?[jt]s$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'commonjs' } },
    ],
  },
  // These ship as ES modules only; Jest's module loader needs them transformed.
  transformIgnorePatterns: ['/node_modules/(?!(jose|@marcbachmann/cel-js)/)'],
};
