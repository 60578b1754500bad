import { parseArgs } from 'node:util';
import { z } from 'zod';
import { benchAgentIdle } from './agent-idle';
import { benchAgentInstall } from './agent-install';
import { benchContainment } from './containment';
import { benchStagedOta } from './staged-ota';

interface BenchOptions {
  runs: number;
  log: (line: string) => void;
  dir?: string;
}

interface Bench {
  what: string;
  run(options: BenchOptions): Promise<object>;
}

const BENCHES: Record<string, Bench> = {
  containment: {
    what: 'requested to disconnected, against a bare script that makes the same AWS calls',
    run: benchContainment,
  },
  'staged-ota': {
    what: 'a rollout against a bare IoT Job to the same 200 agents; AWS calls and Temporal events per device; plans of up to 1,000,000 devices',
    run: benchStagedOta,
  },
  agent: {
    what: 'an update of 200 MB against curl, openssl and tar, and against RAUC; then what the agent takes while it idles',
    run: async (options) => ({
      ...(await benchAgentInstall(options)),
      ...(await benchAgentIdle(options)),
    }),
  },
};

const USAGE = `Measures what the project claims, each figure beside its floor in the same run.

Usage: npm run bench -- <name> [--runs n] [--dir folder] [--json]

  --list    name the benches
  --runs n  pairs of runs (default 15)
  --dir d   keep the logs of server, emulator and worker there
  --json    progress on standard error; the last line of standard output is one object
`;

const argumentsSchema = z.object({
  positionals: z.array(z.string()).max(1, 'name one bench'),
  values: z.object({
    json: z.boolean().default(false),
    list: z.boolean().default(false),
    help: z.boolean().default(false),
    runs: z.coerce.number('runs must be a number').int().min(1).max(1000).default(15),
    dir: z.string().min(1).optional(),
  }),
});

async function main(): Promise<number> {
  const { positionals, values } = readArguments(process.argv.slice(2));
  const name = positionals[0];
  if (values.list) {
    for (const [each, { what }] of Object.entries(BENCHES)) {
      process.stdout.write(`${each}  ${what}\n`);
    }
    return 0;
  }
  if (values.help || name === undefined) {
    process.stdout.write(USAGE);
    return values.help ? 0 : 2;
  }
  const bench = BENCHES[name];
  if (bench === undefined) {
    throw new Error(`no bench is named ${name}: give one of ${Object.keys(BENCHES).join(', ')}`);
  }
  const output = values.json ? process.stderr : process.stdout;
  const figures = await bench.run({
    runs: values.runs,
    log: (line) => output.write(`${line}\n`),
    ...(values.dir !== undefined && { dir: values.dir }),
  });
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  return 0;
}

function readArguments(args: string[]): z.infer<typeof argumentsSchema> {
  const parsed = parseArgs({
    args,
    allowPositionals: true,
    options: {
      json: { type: 'boolean' },
      list: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
      runs: { type: 'string' },
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
