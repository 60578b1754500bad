import { parseArgs } from 'node:util';
import { z } from 'zod';
import { runPowercutChaos } from './agent-powercut/powercut';
import { isHarmless, runAgentHostile } from './agent-hostile/run';
import { runQuarantineChaos } from './quarantine';
import { runStagedOtaChaos } from './staged-ota/run';
import { runWebhookChaos } from './webhook';

interface ChaosOptions {
  sample?: number;
  seed?: number;
  /** Where logs are kept. */
  dir?: string;
  log: (line: string) => void;
}

interface ChaosRun {
  what: string;
  run(options: ChaosOptions): Promise<{ result: object; ok: boolean }>;
}

const RUNS: Record<string, ChaosRun> = {
  'agent-powercut': {
    what: 'a device loses its power at each call of an update that changes its disk; 10,000 times twice',
    run: async (options) => {
      const { result, ok } = await runPowercutChaos(options);
      return { result, ok };
    },
  },
  'agent-hostile': {
    what: 'an agent gets hostile jobs, updates, files and questions; --sample n: n jobs (10,000), 100 fuzzed each',
    run: async ({ sample, seed, log }) => {
      const jobs = sample ?? 10_000;
      const sizes = { jobs, fuzzed: jobs * 100, secrets: 1_000 };
      const report = await runAgentHostile({ ...sizes, seed: seed ?? 1, log });
      const { details, ...result } = report;
      log(JSON.stringify({ ...details, findings: undefined }));
      return { result, ok: isHarmless(report) };
    },
  },
  quarantine: {
    what: 'the worker is killed before and after each call that commits history, and each AWS call',
    run: async (options) => {
      const { details, ...result } = await runQuarantineChaos(options);
      const { killPoints, lost, stuck, duplicated } = result;
      const ok = killPoints > 0 && lost + stuck + duplicated === 0;
      for (const { point, outcome, problems } of details) {
        if (problems.length > 0) options.log(`${outcome}: ${point}: ${problems.join('; ')}`);
      }
      return { result, ok };
    },
  },
  'staged-ota': {
    what: 'worker, Temporal server and agents are killed at random through rollouts of good and bad builds; --sample n: n rollouts (100)',
    run: (options) => runStagedOtaChaos(options),
  },
  webhook: {
    what: 'every sender of the webhook is forged, replayed, oversized and mistyped; --sample n: n requests (100,000), and a tenth of it by its OpenAPI document',
    run: async ({ sample, seed, log }) => {
      const result = await runWebhookChaos({ requests: sample ?? 100_000, seed: seed ?? 1, log });
      const { workflows, serverErrors, exits, strayConnections, repeatWorkflows } = result;
      const { missing, undocumented, fuzzServerErrors } = result;
      const harmless = workflows + serverErrors + exits + strayConnections === 0;
      const promised = undocumented + fuzzServerErrors === 0;
      const accepted = result.validAccepted === result.validSent && missing === 0;
      const taken = accepted && promised && repeatWorkflows === 1;
      return { result: { ...result }, ok: harmless && taken && result.pinnedConnections > 0 };
    },
  },
};

const USAGE = `Breaks a part of the system on purpose, over and over, and counts what was lost.

Usage: npm run chaos -- <name> [--sample n] [--seed s] [--dir folder] [--json]

  --list      name the runs
  --sample n  only n of the kill points, chosen by the seed; of webhook, n requests (default 100,000)
              of agent-powercut, n of the cuts and n double cuts (default all, and 10,000)
  --seed s    default 1
  --dir d     keep the logs of server, emulator and workers there
  --json      progress on standard error; the last line of standard output is one object
`;

const count = z.coerce.number().int().min(1).max(1_000_000);
const argumentsSchema = z.object({
  positionals: z.array(z.string()).max(1, 'name one run'),
  values: z.object({
    json: z.boolean().default(false),
    list: z.boolean().default(false),
    help: z.boolean().default(false),
    sample: count.optional(),
    seed: count.optional(),
    dir: z.string().min(1).optional(),
  }),
});

async function main(): Promise<number> {
  const { positionals, values } = readArguments(process.argv.slice(2));
  const name = positionals[0];
  if (values.list) {
    for (const [each, { what }] of Object.entries(RUNS)) process.stdout.write(`${each}  ${what}\n`);
    return 0;
  }
  if (values.help || name === undefined) {
    process.stdout.write(USAGE);
    return values.help ? 0 : 2;
  }
  const chosen = RUNS[name];
  if (chosen === undefined) {
    throw new Error(`no run is named ${name}: give one of ${Object.keys(RUNS).join(', ')}`);
  }
  const { sample, seed, dir, json } = values;
  const output = json ? process.stderr : process.stdout;
  const { result, ok } = await chosen.run({
    log: (line) => output.write(`${line}\n`),
    ...(sample !== undefined && { sample }),
    ...(seed !== undefined && { seed }),
    ...(dir !== undefined && { dir }),
  });
  process.stdout.write(`${JSON.stringify(result)}\n`);
  return ok ? 0 : 1;
}

function readArguments(args: string[]): z.infer<typeof argumentsSchema> {
  const parsed = parseArgs({
    args,
    allowPositionals: true,
    options: {
      json: { type: 'boolean' },
      list: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
      sample: { type: 'string' },
      seed: { type: 'string' },
      dir: { type: 'string' },
    },
  });
  const checked = argumentsSchema.safeParse(parsed);
  if (!checked.success) throw new Error(z.prettifyError(checked.error));
  return checked.data;
}

main().then(
  (code) => process.exit(code),
  (err: unknown) => {
    process.stderr.write(`${err instanceof Error ? err.message : String(err)}\n`);
    process.exit(1);
  },
);
