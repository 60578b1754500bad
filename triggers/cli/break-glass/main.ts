import { Command } from 'commander';
import { createContainmentRecords } from '../../../activities/aws/containment-records';
import { createAwsClients } from '../../../activities/aws/clients';
import { createGuardTable } from '../../../activities/aws/guard-table';
import { createIotConnections } from '../../../activities/aws/iot-connections';
import { createIotJobs } from '../../../activities/aws/iot-jobs';
import { createIotLogging } from '../../../activities/aws/iot-logging';
import { createIotRegistry } from '../../../activities/aws/iot-registry';
import { createGuard } from '../../../activities/guard/guard';
import { recordsBucket } from '../../../domain/names';
import { placeOf } from '../../../domain/policy/place';
import {
  contain,
  release,
  type BreakGlassDeps,
  type BreakGlassRequest,
  type BreakGlassResult,
} from './commands';
import { reportFailure } from '../usage';
import { loadConfig } from './config';

const ENVIRONMENT = `
Environment:
  AWS_REGION, AWS_ACCOUNT_ID   where the fleet is (required); credentials by the SDK's own chain
  IOT_DATA_ENDPOINT            https://<prefix>-ats.iot.<region>.amazonaws.com, to drop the session
  AWS_ENDPOINT_URL             another endpoint than AWS's own, as the local stack has
  GUARD_TABLE                  told afterwards, where it can be reached

Exit code: 0 all done, 1 something failed (each thing says what), 2 what was typed or configured is wrong.`;

interface Options {
  reason: string;
  by: string[];
  json?: boolean;
}

function compose(): BreakGlassDeps {
  const config = loadConfig(process.env);
  const aws = createAwsClients(config);
  return {
    registry: createIotRegistry(aws.iot),
    connections: createIotConnections(aws.iotData),
    logging: createIotLogging(aws.iot, aws.logs),
    jobs: createIotJobs(aws.iot),
    records: createContainmentRecords(aws.s3, recordsBucket(config.accountId)),
    guard: createGuard({
      table: createGuardTable(aws.dynamo, config.guardTable),
      approverKeys: () => Promise.resolve([]),
      now: Date.now,
    }),
    place: placeOf(config.region, config.accountId),
    now: Date.now,
    log: (line) => process.stderr.write(`${line}\n`),
  };
}

function report(command: string, results: BreakGlassResult[], { json }: Options): void {
  const ok = results.every((result) => result.ok);
  const out = json === true ? process.stderr : process.stdout;
  for (const { thing, ok: done, detail } of results)
    out.write(`${done ? 'done  ' : 'FAILED'} ${thing}: ${detail}\n`);
  if (command === 'contain' && ok)
    out.write('Recorded: the reconciler adopts it once Temporal is back.\n');
  if (json === true) process.stdout.write(`${JSON.stringify({ command, ok, results })}\n`);
  process.exitCode = ok ? 0 : 1;
}

function createProgram(): Command {
  const program = new Command('break-glass')
    .description('Contains and releases devices by AWS alone, when Temporal or the guard is down.')
    .addHelpText('after', ENVIRONMENT)
    .exitOverride();
  const add = (
    name: 'contain' | 'release',
    description: string,
    act: (deps: BreakGlassDeps, request: BreakGlassRequest) => Promise<BreakGlassResult[]>,
  ) =>
    program
      .command(`${name} <things...>`)
      .description(description)
      .exitOverride()
      .requiredOption('--reason <why>', 'kept in the record')
      .requiredOption(
        '--by <name>',
        'who does this; twice, with two names, for more than one thing',
        (name: string, names: string[] | undefined) => [...(names ?? []), name],
      )
      .option('--json', 'one JSON object as the last line of standard output')
      .action(async (things: string[], options: Options) => {
        report(name, await act(compose(), { things, ...options }), options);
      });
  add('contain', 'deny everything but Jobs, drop the session, leave a record', contain);
  add('release', 'put things back from their records', release);
  return program;
}

createProgram()
  .parseAsync()
  .catch((err: unknown) => reportFailure(err, false, process));
