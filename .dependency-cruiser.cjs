// Who may import whom. Folder order is data flow: each folder sees only what comes before it, and AWS and
// Temporal stay behind the folders made for them. `.dependency-cruiser.runtime.cjs` has the rules on what is
// reached through other files. test/architecture.test.ts breaks every rule once.

const PRODUCT = '^(domain|runbooks|workflows|activities|triggers|workers|device-agent)/';
const OURS =
  '^(domain|runbooks|workflows|activities|triggers|workers|device-agent|local|bench|test)/';
/** Composition roots: they wire adapters into what must not know them. */
const MAIN = '/main\\.ts$';

/** A folder may import, of the project, only these paths. */
const onlyImports = (name, folder, allowed, more = {}) => ({
  name,
  severity: 'error',
  from: { path: `^${folder}/`, ...more.from },
  to: { path: OURS, pathNot: [`^${folder}/`, ...allowed], ...more.to },
});

/** A package may be imported from these paths only. */
const packageOnlyIn = (name, packages, allowed) => ({
  name,
  severity: 'error',
  from: { path: OURS, pathNot: allowed },
  to: { path: `^node_modules/${packages}` },
});

/** A folder may import, of node_modules, only these packages. */
const onlyPackages = (name, folder, packages) => ({
  name,
  severity: 'error',
  from: { path: `^${folder}/` },
  to: { path: '^node_modules/', pathNot: `^node_modules/(${packages.join('|')})/` },
});

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'imports-resolve', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'product-needs-no-dev-dependency',
      severity: 'error',
      from: { path: PRODUCT },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    onlyImports('domain-imports-nothing', 'domain', []),
    onlyPackages('domain-packages', 'domain', ['zod', '@marcbachmann/cel-js']),
    {
      name: 'domain-does-no-io',
      comment: 'Hashing is no I/O.',
      severity: 'error',
      from: { path: '^domain/' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?crypto$' },
    },
    onlyImports('runbooks-import-domain', 'runbooks', ['^domain/']),
    onlyImports('workflows-import-domain', 'workflows', ['^domain/', '^activities/']),
    {
      name: 'workflows-import-types-of-activities',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { path: '^activities/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'workflows-import-no-schema',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { path: '^domain/.*\\.schema\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    onlyPackages('workflow-packages', 'workflows', ['@temporalio/(workflow|common)']),
    onlyImports('activities-import-domain-and-runbooks', 'activities', ['^domain/', '^runbooks/']),
    onlyImports('triggers-import-domain-and-runbooks', 'triggers', [
      '^domain/',
      '^runbooks/',
      '^workflows/',
      '^activities/',
    ]),
    {
      name: 'triggers-import-types-of-workflows',
      severity: 'error',
      from: { path: '^triggers/' },
      to: { path: '^workflows/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'triggers-import-types-of-activities',
      comment: 'But the operator commands, which work with AWS alone.',
      severity: 'error',
      from: { path: '^triggers/', pathNot: ['^triggers/cli/', MAIN] },
      to: { path: '^activities/', dependencyTypesNot: ['type-only'] },
    },
    onlyImports('workers-import-activities', 'workers', [
      '^domain/',
      '^runbooks/',
      '^activities/',
      '^workflows/',
    ]),
    {
      name: 'workers-name-workflows-by-path',
      severity: 'error',
      from: { path: '^workers/' },
      to: { path: '^workflows/', dependencyTypesNot: ['type-only'] },
    },
    onlyImports('agent-imports-its-protocol', 'device-agent', [
      '^domain/device-protocol/',
      '^domain/names\\.ts$',
    ]),
    onlyPackages('agent-packages', 'device-agent', ['mqtt', 'tuf-js', 'tar', 'zod', 'pino']),
    packageOnlyIn('aws-sdk-behind-adapters', '@aws-sdk/', [
      '^activities/aws/',
      '^(test|local|bench)/',
    ]),
    packageOnlyIn('temporal-worker-in-workers', '@temporalio/worker/', [
      '^workers/',
      '^(test|local|bench)/',
    ]),
    packageOnlyIn('temporal-workflow-in-workflows', '@temporalio/workflow/', [
      '^workflows/',
      '^(test|local|bench)/',
    ]),
    packageOnlyIn('temporal-client-starts-and-steers', '@temporalio/client/', [
      '^(triggers|workers|activities)/',
      '^(test|local|bench)/',
    ]),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|\\.local|coverage)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    combinedDependencies: false,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.mjs', '.cjs', '.js', '.json'],
    },
  },
};
