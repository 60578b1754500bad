import { Command } from 'commander';
import { verify, type CommandOutput, type EvidenceCliDeps } from './verify';

const ENVIRONMENT = `
Environment:
  AWS_REGION, AWS_ACCOUNT_ID   where the evidence is (required)
  AWS_ENDPOINT_URL             another endpoint than AWS's own, as the local stack has
Needs s3:GetObject and s3:ListBucket on the buckets of the evidence and of the records.

Exit code: 0 whole, 1 something was changed or it failed, 2 what was typed or configured is wrong.`;

export interface ProgramIo {
  /** Called with what the command did. */
  report: (output: CommandOutput, json: boolean) => void;
  writeOut: (text: string) => void;
  writeErr: (text: string) => void;
}

/** The command line; `deps` is asked only once a command runs, so that --help needs no configuration. */
export function createProgram(deps: () => EvidenceCliDeps, io: ProgramIo): Command {
  const program = new Command('runbooks')
    .description('What responders and auditors do with the runbooks, beside Temporal UI.')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText('after', ENVIRONMENT)
    .configureOutput({ writeOut: io.writeOut, writeErr: io.writeErr })
    .exitOverride();
  const evidence = program.command('evidence').description('what is kept of an incident');
  const verifying = evidence
    .command('verify <incident>')
    .description('hash all of it again, follow the chain, name the first broken link')
    .option('--head <sequence:hash>', 'a head that was written down: it must still be in the chain')
    .action(async (incident: string, options: { head?: string }) =>
      io.report(
        await verify(deps(), incident, options),
        program.opts<{ json?: boolean }>().json === true,
      ),
    );
  for (const command of [evidence, verifying]) command.copyInheritedSettings(program);
  return program;
}
