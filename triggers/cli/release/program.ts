import { Command } from 'commander';
import {
  add,
  init,
  publishRepository,
  sign,
  verify,
  type CommandOutput,
  type ReleaseCliDeps,
} from './commands';
import {
  parseAddOptions,
  parseInitOptions,
  parsePublishOptions,
  parseSignOptions,
  parseVerifyOptions,
} from './config';

const ENVIRONMENT = `
Environment:
  RELEASE_PASSPHRASE   opens encrypted keys, where there is no --passphrase-file
  AWS_REGION           for s3:// (required there), with the AWS SDK's own variables for credentials
  AWS_ENDPOINT_URL     another endpoint than AWS's own, as the local stack has

Exit code: 0 done, 1 it failed or the repository does not hold, 2 what was typed or configured is wrong.
docs/releasing.md shows a release from end to end.`;

export interface ProgramIo {
  report: (output: CommandOutput, json: boolean) => void;
  writeOut: (text: string) => void;
  writeErr: (text: string) => void;
}

type Run = (raw: Record<string, unknown>) => Promise<CommandOutput>;

/** The command line; `deps` is asked only once a command runs, so that --help needs no configuration. */
export function createProgram(deps: () => ReleaseCliDeps, io: ProgramIo): Command {
  const program = new Command('release')
    .description('Makes, signs and publishes a TUF repository that devices update from.')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText('after', ENVIRONMENT)
    .configureOutput({ writeOut: io.writeOut, writeErr: io.writeErr })
    .exitOverride();
  const wantsJson = (): boolean => program.opts<{ json?: boolean }>().json === true;
  const bind = (command: Command, run: Run): void => {
    command
      .option('--json', 'one JSON object as the last line of standard output')
      .allowExcessArguments(false)
      .copyInheritedSettings(program)
      .action(async (...args: unknown[]) => {
        const raw: Record<string, unknown> = { ...command.opts() };
        if (typeof args[0] === 'string') raw['file'] = args[0];
        io.report(await run(raw), wantsJson() || raw['json'] === true);
      });
  };
  bind(initCommand(program), (raw) => init(deps(), parseInitOptions(raw)));
  bind(addCommand(program), (raw) => add(deps(), parseAddOptions(raw)));
  bind(signCommand(program), (raw) => sign(deps(), parseSignOptions(raw)));
  bind(publishCommand(program), (raw) => publishRepository(deps(), parsePublishOptions(raw)));
  bind(verifyCommand(program), (raw) => verify(deps(), parseVerifyOptions(raw)));
  return program;
}

const DIR = ['--dir <folder>', 'the release folder (releases)'] as const;
const PASSPHRASE = ['--passphrase-file <file>', 'holds the passphrase of encrypted keys'] as const;

const initCommand = (program: Command): Command =>
  program
    .command('init')
    .description('make keys and an empty repository')
    .option(...DIR)
    .requiredOption('--keys <folder>', 'where the new private keys go: offline/ and online/')
    .option('--threshold <n>', 'signatures that root and targets need (2)')
    .option('--root-keys <n>', 'holders of a root key (3)')
    .option('--targets-keys <n>', 'holders of a targets key (3)')
    .option('--root-days <n>', 'how long a signature of root lasts (365)')
    .option('--targets-days <n>', 'of targets (90)')
    .option('--snapshot-days <n>', 'of snapshot (7)')
    .option('--timestamp-days <n>', 'of timestamp (3)')
    .option('--passphrase-file <file>', 'encrypt the offline keys with the passphrase in it');

const addCommand = (program: Command): Command =>
  program
    .command('add <file>')
    .description('stage an artifact as a release, with the reverts of it')
    .option(...DIR)
    .requiredOption('--version <version>', 'as people call it, such as 1.4.0')
    .requiredOption('--hardware <a,b>', 'hardware versions that it runs on')
    .option('--name <path>', 'target name, such as pump/1.4.0.tar (the file’s own)')
    .option('--security-epoch <n>', 'raise the floor below which no device goes again')
    .option('--release <n>', 'its release number (one above the highest ever)')
    .option('--minimum-release <n>', 'devices below it need a stepping stone first')
    .option('--reverts-to <v1,v2>', 'versions to sign a way back to (what the hardware ran before)')
    .option('--no-revert', 'no way back');

const signCommand = (program: Command): Command =>
  program
    .command('sign')
    .description('sign what is staged with the keys at hand')
    .option(...DIR)
    .option('--keys <path...>', 'key files, or folders of them')
    .option('--merge <file...>', 'take the signatures from another copy of a staged file')
    .option('--renew <role>', 'stage targets or root anew, with a later expiry, and sign that')
    .option('--dry-run', 'show what would be signed and sign nothing; needs no keys')
    .option(...PASSPHRASE);

const publishCommand = (program: Command): Command =>
  program
    .command('publish')
    .description('put what is signed where devices fetch it; safe to run again')
    .option(...DIR)
    .requiredOption('--to <place>', 'a folder that a web server serves, or s3://bucket/prefix')
    .requiredOption('--online-keys <path...>', 'the snapshot and timestamp keys')
    .option('--refresh', 'only a later expiry, whatever is staged: for a cron job')
    .option('--dry-run', 'show what would be written and write nothing')
    .option(...PASSPHRASE);

const verifyCommand = (program: Command): Command =>
  program
    .command('verify')
    .description('fetch and verify it as a device would')
    .requiredOption('--root <file>', 'the root that devices were shipped with')
    .requiredOption('--from <place>', 'an http(s) URL, a folder or s3://bucket/prefix')
    .option('--no-artifacts', 'the metadata alone');
