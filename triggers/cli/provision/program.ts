import { Command } from 'commander';
import { enrol, provisionFleet, type CommandOutput, type ProvisionDeps } from './commands';
import { parseDeviceOptions, parseFleetOptions } from './config';

const ENVIRONMENT = `
Environment:
  AWS_REGION, AWS_ACCOUNT_ID   where (both required)
  AWS_ENDPOINT_URL             another endpoint than AWS's own, as the local stack has
  IOT_DATA_ENDPOINT            aws iot describe-endpoint --endpoint-type iot:Data-ATS
  TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE   for the search attributes (127.0.0.1:7233, default)
  and the AWS SDK's own variables for credentials

Exit code: 0 done, 1 it failed or a person has to mend something first, 2 what was typed or configured is wrong.`;

export interface ProgramIo {
  report: (output: CommandOutput, json: boolean) => void;
  writeOut: (text: string) => void;
  writeErr: (text: string) => void;
}

/** The command line; `deps` is asked only once a command runs, so that --help needs no configuration. */
export function createProgram(deps: () => ProvisionDeps, io: ProgramIo): Command {
  const program = new Command('provision')
    .description('Makes the fleet’s cloud side, or shows what differs. Safe to run again.')
    .option('--json', 'one JSON object as the last line of standard output')
    .option('--dry-run', 'show what differs and change nothing')
    .option('--sites <a,b>', 'a thing group for each')
    .option('--hardware <v1,v2>', 'hardware versions: a thing group for each')
    .option('--webhook-url <url>', 'subscribe this webhook to the alarm topic')
    .option('--temporal <host:port>', 'another Temporal than TEMPORAL_ADDRESS')
    .option('--no-temporal', 'leave the search attributes alone')
    .addHelpText('after', ENVIRONMENT)
    .configureOutput({ writeOut: io.writeOut, writeErr: io.writeErr })
    .exitOverride()
    // `--hardware` means one thing before `device` and another after it.
    .enablePositionalOptions()
    .allowExcessArguments(false);
  const json = (): boolean => program.opts<{ json?: boolean }>().json === true;
  program.action(async () => {
    const options = parseFleetOptions(program.opts());
    io.report(await provisionFleet(deps(), options), json());
  });
  addDevice(program, async (raw) => {
    const options = parseDeviceOptions(raw);
    io.report(await enrol(deps(), options), json() || raw.json === true);
  });
  return program;
}

function addDevice(
  program: Command,
  run: (raw: { json?: boolean; thing: string }) => Promise<void>,
): void {
  const device = program
    .command('device <thing>')
    .description('enrol one device: thing, groups, certificate, policy, alarm')
    .option('--json', 'one JSON object as the last line of standard output')
    .requiredOption('--site <site>', 'its site')
    .requiredOption('--hardware <version>', 'its hardware version')
    .option('--firmware <version>', 'kept as an attribute')
    .option('--csr <file>', 'PEM of a certificate request: AWS IoT issues the certificate')
    .option('--certificate <file>', 'PEM of a certificate of your own')
    .option('--certificate-arn <arn>', 'a certificate that is registered already')
    .option('--out <file>', 'write the certificate’s PEM here')
    .option('--alarm-threshold <n>', 'alarm at so many refused publishes in a period')
    .option('--alarm-period <seconds>', '10, 20, 30 or a multiple of 60 (60)');
  device.copyInheritedSettings(program);
  device.action((thing: string) => run({ ...device.opts<{ json?: boolean }>(), thing }));
}
