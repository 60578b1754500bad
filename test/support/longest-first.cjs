const { readFileSync, statSync } = require('node:fs');

/** By what a file starts: a worker, a process or many property runs, an emulator. */
const COSTS = [
  [/openBed\(|openGuardedFleet\(|Chaos\(|'workers\/main\.ts'/, 4],
  [/runMain\(|runNode\(|spawn\(|startAgent\(|startWebhookProcess\(|fc\.assert\(/, 2],
  [/startEmulator\(/, 1],
];

/**
 * Jest's order for a fresh checkout, by size, leaves a short file that takes half a minute to the end, where all
 * lanes but one have nothing left to do.
 */
module.exports = class LongestFirst {
  sort(tests) {
    const costs = new Map(tests.map(({ path }) => [path, costOf(path)]));
    return [...tests].sort((a, b) => costs.get(b.path) - costs.get(a.path));
  }

  allFailedTests(tests) {
    return tests;
  }

  shard(tests) {
    return tests;
  }

  cacheResults() {}
};

function costOf(path) {
  const text = readFileSync(path, 'utf8');
  const found = COSTS.find(([pattern]) => pattern.test(text));
  return (found?.[1] ?? 0) + statSync(path).size / 1e6;
}
