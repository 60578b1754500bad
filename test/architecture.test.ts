import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';

const ROOT = resolve(__dirname, '..');
const CONFIGS = ['.dependency-cruiser.cjs', '.dependency-cruiser.runtime.cjs'];
const CRUISER = join(ROOT, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs');

const PACKAGES = {
  dependencies: [
    'zod',
    '@marcbachmann/cel-js',
    'yaml',
    'mqtt',
    '@aws-sdk/client-iot',
    '@temporalio/workflow',
    '@temporalio/worker',
    '@temporalio/client',
  ],
  devDependencies: ['fast-check'],
};

/** Imports that the table of the architecture allows. */
const ALLOWED: Record<string, string> = {
  'domain/names.ts': `export const names = 1;`,
  'domain/input.schema.ts': `import { z } from 'zod'; import { names } from './names'; export const schema = [z, names];`,
  'domain/gate.ts': `import { cel } from '@marcbachmann/cel-js'; export const gate = cel; export type Gate = typeof gate;`,
  'domain/hash.ts': `import { createHash } from 'node:crypto'; export const hash = createHash;`,
  'domain/device-protocol/job.ts': `import { z } from 'zod'; export const job = z; export type Job = string;`,
  'runbooks/load.ts': `import { parse } from 'yaml'; import { schema } from '../domain/input.schema'; export const load = [parse, schema];`,
  'workflows/quarantine.ts': `import { proxy } from '@temporalio/workflow'; import { names } from '../domain/names'; import type { Contain } from '../activities/contain'; import type { Job } from '../domain/device-protocol/job'; import type { Gate } from '../domain/gate'; export const quarantine = (a: Contain, b: Job, c: Gate) => [proxy, names, a, b, c]; export type Quarantine = typeof quarantine;`,
  'activities/aws/iot.ts': `import { iot } from '@aws-sdk/client-iot'; export const things = iot;`,
  'activities/contain.ts': `import { things } from './aws/iot'; import { load } from '../runbooks/load'; export const contain = [things, load]; export type Contain = typeof contain;`,
  'triggers/webhook/server.ts': `import { client } from '@temporalio/client'; import type { Quarantine } from '../../workflows/quarantine'; import type { Contain } from '../../activities/contain'; export const server = (a: Quarantine, b: Contain) => [client, a, b];`,
  'triggers/webhook/main.ts': `import { things } from '../../activities/aws/iot'; import { server } from './server'; export const main = [things, server];`,
  'triggers/cli/guard.ts': `import { contain } from '../../activities/contain'; export const guard = contain;`,
  'workers/main.ts': `import { worker } from '@temporalio/worker'; import { contain } from '../activities/contain'; export const main = [worker, contain];`,
  'device-agent/agent.ts': `import { mqtt } from 'mqtt'; import { job } from '../domain/device-protocol/job'; export const agent = [mqtt, job];`,
  'test/any.ts': `import { iot } from '@aws-sdk/client-iot'; import { check } from 'fast-check'; import { agent } from '../device-agent/agent'; export const any = [iot, check, agent];`,
};

/** One file per rule that breaks it. */
const BREAKING: Record<string, [file: string, text: string]> = {
  'no-cycles': [
    'domain/loop-a.ts',
    `import { cycle } from './loop-b'; export const other = cycle;`,
  ],
  'imports-resolve': ['domain/nowhere.ts', `import { x } from './missing'; export const y = x;`],
  'product-needs-no-dev-dependency': [
    'runbooks/dev.ts',
    `import { check } from 'fast-check'; export const dev = check;`,
  ],
  'domain-imports-nothing': [
    'domain/upward.ts',
    `import { load } from '../runbooks/load'; export const upward = load;`,
  ],
  'domain-packages': ['domain/yaml.ts', `import { parse } from 'yaml'; export const yaml = parse;`],
  'domain-does-no-io': [
    'domain/reads.ts',
    `import { readFileSync } from 'node:fs'; export const reads = readFileSync;`,
  ],
  'runbooks-import-domain': [
    'runbooks/acts.ts',
    `import { contain } from '../activities/contain'; export const acts = contain;`,
  ],
  'workflows-import-domain': [
    'workflows/reads-yaml.ts',
    `import { load } from '../runbooks/load'; export const reads = load;`,
  ],
  'workflows-import-types-of-activities': [
    'workflows/acts.ts',
    `import { contain } from '../activities/contain'; export const acts = contain;`,
  ],
  'workflows-import-no-schema': [
    'workflows/judges.ts',
    `import { schema } from '../domain/input.schema'; export const judges = schema;`,
  ],
  'workflow-packages': [
    'workflows/talks.ts',
    `import { mqtt } from 'mqtt'; export const talks = mqtt;`,
  ],
  'workflows-reach-no-zod': [
    'workflows/reaches.ts',
    `import { job } from '../domain/device-protocol/job'; export const reaches = job;`,
  ],
  'workflows-reach-no-cel': [
    'workflows/gates.ts',
    `import { gate } from '../domain/gate'; export const gates = gate;`,
  ],
  'workflows-reach-no-node-module': [
    'workflows/hashes.ts',
    `import { hash } from '../domain/hash'; export const hashes = hash;`,
  ],
  'activities-import-domain-and-runbooks': [
    'activities/starts.ts',
    `import { server } from '../triggers/webhook/server'; export const starts = server;`,
  ],
  'triggers-import-domain-and-runbooks': [
    'triggers/cli/works.ts',
    `import { main } from '../../workers/main'; export const works = main;`,
  ],
  'triggers-import-types-of-workflows': [
    'triggers/cli/runs.ts',
    `import { quarantine } from '../../workflows/quarantine'; export const runs = quarantine;`,
  ],
  'triggers-import-types-of-activities': [
    'triggers/webhook/acts.ts',
    `import { contain } from '../../activities/contain'; export const acts = contain;`,
  ],
  'workers-import-activities': [
    'workers/serves.ts',
    `import { server } from '../triggers/webhook/server'; export const serves = server;`,
  ],
  'workers-name-workflows-by-path': [
    'workers/bundles.ts',
    `import { quarantine } from '../workflows/quarantine'; export const bundles = quarantine;`,
  ],
  'agent-imports-its-protocol': [
    'device-agent/knows.ts',
    `import { schema } from '../domain/input.schema'; export const knows = schema;`,
  ],
  'agent-packages': [
    'device-agent/aws.ts',
    `import { iot } from '@aws-sdk/client-iot'; export const aws = iot;`,
  ],
  'aws-sdk-behind-adapters': [
    'activities/direct.ts',
    `import { iot } from '@aws-sdk/client-iot'; export const direct = iot;`,
  ],
  'temporal-worker-in-workers': [
    'triggers/cli/worker.ts',
    `import { worker } from '@temporalio/worker'; export const own = worker;`,
  ],
  'temporal-workflow-in-workflows': [
    'activities/durable.ts',
    `import { proxy } from '@temporalio/workflow'; export const durable = proxy;`,
  ],
  'temporal-client-starts-and-steers': [
    'runbooks/starts.ts',
    `import { client } from '@temporalio/client'; export const starts = client;`,
  ],
};
const CYCLE_BACK = {
  'domain/loop-b.ts': `import { other } from './loop-a'; export const cycle = () => other;`,
};

const cruiseSchema = z.object({
  summary: z.object({
    violations: z.array(z.object({ from: z.string(), rule: z.object({ name: z.string() }) })),
  }),
});

let clean: string;
let broken: string;

beforeAll(() => {
  clean = plant(ALLOWED);
  broken = plant({ ...ALLOWED, ...CYCLE_BACK, ...Object.fromEntries(Object.values(BREAKING)) });
});

afterAll(() => {
  for (const dir of [clean, broken]) rmSync(dir, { recursive: true, force: true });
});

describe('the import rules', () => {
  it('allow what the architecture allows', async () => {
    expect(await violations(clean)).toEqual([]);
  });

  it('catch a violation of each rule', async () => {
    const found = new Set(
      (await violations(broken)).map(({ rule, from }) => `${rule.name}: ${from}`),
    );
    const expected = Object.entries(BREAKING).map(([rule, [file]]) => `${rule}: ${file}`);
    expect(expected.filter((each) => !found.has(each))).toEqual([]);
  });

  it('are all broken once above', () => {
    const rules = CONFIGS.flatMap((config) => ruleNames(join(ROOT, config)));
    expect(rules.sort()).toEqual(Object.keys(BREAKING).sort());
  });
});

/** A project in miniature: the real rules, the files, and packages that hold nothing. */
function plant(files: Record<string, string>): string {
  const dir = mkdtempSync(join(tmpdir(), 'architecture-'));
  for (const config of CONFIGS) cpSync(join(ROOT, config), join(dir, config));
  const versions = (names: string[]) => Object.fromEntries(names.map((name) => [name, '1.0.0']));
  write(dir, 'package.json', {
    name: 'planted',
    dependencies: versions(PACKAGES.dependencies),
    devDependencies: versions(PACKAGES.devDependencies),
  });
  write(dir, 'tsconfig.json', {
    compilerOptions: { module: 'node16', moduleResolution: 'node16', target: 'es2022' },
  });
  for (const name of [...PACKAGES.dependencies, ...PACKAGES.devDependencies]) {
    write(dir, `node_modules/${name}/package.json`, { name, version: '1.0.0', main: 'index.js' });
    write(dir, `node_modules/${name}/index.js`, '');
  }
  for (const [file, text] of Object.entries(files)) write(dir, file, text);
  return dir;
}

function write(dir: string, file: string, content: string | object): void {
  mkdirSync(dirname(join(dir, file)), { recursive: true });
  writeFileSync(join(dir, file), typeof content === 'string' ? content : JSON.stringify(content));
}

async function violations(dir: string) {
  const reports = await Promise.all(CONFIGS.map((config) => cruise(dir, config)));
  return reports.flatMap((report) => report.summary.violations);
}

/** The exit code is the number of violations; the report says more. */
function cruise(dir: string, config: string) {
  return new Promise<z.infer<typeof cruiseSchema>>((done, reject) => {
    const args = [CRUISER, '--config', config, '--output-type', 'json', '.'];
    execFile(process.execPath, args, { cwd: dir }, (_failure, stdout, stderr) => {
      const report = cruiseSchema.safeParse(parseOr(stdout));
      if (report.success) done(report.data);
      else reject(new Error(`dependency-cruiser did not report: ${stderr}`));
    });
  });
}

function parseOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function ruleNames(config: string): string[] {
  const schema = z.object({ forbidden: z.array(z.object({ name: z.string() })) });
  const loaded: unknown = createRequire(__filename)(config);
  return schema.parse(loaded).forbidden.map(({ name }) => name);
}
