import { Command, CommanderError } from 'commander';
import { BAD_BUILDS } from './firmware';
import { OptionError, readOptions } from './options';
import { SCENARIOS } from './scenarios';

interface Options extends Record<string, unknown> {
  once?: boolean;
  json?: boolean;
  list?: boolean;
}

const program = new Command('demo')
  .description('Runs a scenario on real parts: Temporal, an MQTT broker, signed alarms, agents.')
  .argument('[scenario]', 'which one', 'quarantine')
  .option('--once', 'exit when done, 0 or 1, instead of staying up until Ctrl-C')
  .option(
    '--json',
    'progress on standard error, one JSON object as the last line of standard output',
  )
  .option('--list', 'name the scenarios')
  .option('--devices <n>', 'staged-ota: how many (200)')
  .option(
    '--bad-build <fault>',
    `staged-ota: what is wrong with the release: ${BAD_BUILDS.join(', ')}`,
  )
  .exitOverride();

async function main(): Promise<number> {
  program.parse();
  const options = program.opts<Options>();
  if (options.list === true) {
    for (const [name, { about }] of Object.entries(SCENARIOS))
      process.stdout.write(`${name}  ${about}\n`);
    return 0;
  }
  const name = program.args[0] ?? 'quarantine';
  const scenario = Object.entries(SCENARIOS).find(([known]) => known === name)?.[1];
  if (scenario === undefined) {
    process.stderr.write(`no scenario is named ${name}; npm run demo -- --list names them\n`);
    return 2;
  }
  const asked = readOptions(name, scenario, options);
  const out = options.json === true ? process.stderr : process.stdout;
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
  const io = {
    write: (line: string) => void out.write(`${line}\n`),
    signal: stopping.signal,
    stayUp: options.once !== true,
  };
  const result = await scenario.run(io, asked);
  if (options.json === true) process.stdout.write(`${JSON.stringify(result)}\n`);
  return result.ok ? 0 : 1;
}

main().then(
  (code) => process.exit(code),
  (err: unknown) => {
    if (err instanceof CommanderError) process.exit(err.exitCode === 0 ? 0 : 2);
    process.stderr.write(`${err instanceof Error ? err.message : String(err)}\n`);
    process.exit(err instanceof OptionError ? 2 : 1);
  },
);
