// What a workflow reaches at run time, through any number of files: type-only imports do not count here.
// A schema or a gate in a workflow would judge old histories by new rules, and a Node module fails in its sandbox.
const { options } = require('./.dependency-cruiser.cjs');

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'workflows-reach-no-zod',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { path: '^node_modules/zod/', reachable: true },
    },
    {
      name: 'workflows-reach-no-cel',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { path: '^node_modules/@marcbachmann/cel-js/', reachable: true },
    },
    {
      name: 'workflows-reach-no-node-module',
      severity: 'error',
      from: { path: '^workflows/' },
      // Node's own modules are the only ones whose path has no file ending.
      to: { path: '^[^.]+$', reachable: true },
    },
  ],
  options: { ...options, tsPreCompilationDeps: false },
};
