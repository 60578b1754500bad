import { Command } from 'commander';
import type { CommandOutput, GuardCliDeps, SwitchOptions } from './commands';
import { approve, approverAdd, approverList, setSwitch, status } from './commands';

const ENVIRONMENT = `
Environment:
  AWS_REGION         region of the guard's table (required)
  AWS_ENDPOINT_URL   another endpoint than AWS's own, as the local stack has
  GUARD_TABLE        DynamoDB table (iot-runbooks-guard)
  APPROVERS_FILE     public keys of the approvers (~/.config/iot-runbooks/approvers.json)
  APPROVER_KEYS_DIR  private keys of those who approve here (~/.config/iot-runbooks/approvers)
  TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE   only for "approve" without --target

Exit code: 0 done, 1 it failed, 2 what was typed or configured is wrong.`;

export interface ProgramIo {
  /** Called with what the command did. */
  report: (output: CommandOutput, json: boolean) => void;
  writeOut: (text: string) => void;
  writeErr: (text: string) => void;
}

/** The command line; `deps` is asked only once a command runs, so that --help needs no configuration. */
export function createProgram(deps: () => GuardCliDeps, io: ProgramIo): Command {
  const program = new Command('guard')
    .description('Shows and steers the guard that every runbook asks before it acts.')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText('after', ENVIRONMENT)
    .configureOutput({ writeOut: io.writeOut, writeErr: io.writeErr })
    .exitOverride();
  const run = async (command: (deps: GuardCliDeps) => Promise<CommandOutput>) =>
    io.report(await command(deps()), program.opts<{ json?: boolean }>().json === true);

  program
    .command('status')
    .description('switch, fleet size, caps, what is contained now and by whom')
    .action(() => run(status));
  for (const [name, state, description] of [
    ['stop', 'stop', 'stop every runbook before its next act; release and rollback go on'],
    ['resume', 'run', 'let runbooks act again'],
  ] as const) {
    program
      .command(name)
      .description(description)
      .requiredOption('--reason <why>', 'kept with the switch and shown to whoever it stops')
      .requiredOption('--by <name>', 'who does this')
      .action((options: SwitchOptions) => run((d) => setSwitch(d, state, options)));
  }
  program
    .command('approve <workflowId>')
    .description('print a token, valid for 15 minutes, for the workflow\'s Update "approve"')
    .requiredOption('--as <name>', 'the approver, whose private key is on this machine')
    .option('--target <hash>', 'target hash; read from the waiting workflow without it')
    .action((workflowId: string, options: { as: string; target?: string }) =>
      run((d) => approve(d, workflowId, options)),
    );
  addApproverCommands(program, run);
  return inherit(program);
}

function addApproverCommands(
  program: Command,
  run: (command: (deps: GuardCliDeps) => Promise<CommandOutput>) => Promise<void>,
): void {
  const approver = program.command('approver').description('who may approve');
  approver
    .command('add <name>')
    .description(
      'make a key pair: private half for this machine, public half into the approvers file',
    )
    .action((name: string) => run((d) => approverAdd(d, name)));
  approver
    .command('list')
    .description('names of the approvers')
    .action(() => run(approverList));
}

/** `--json` may stand before or after the command's name, and no command ends the process by itself. */
function inherit(program: Command): Command {
  const visit = (command: Command): void => {
    for (const child of command.commands) {
      child.copyInheritedSettings(program);
      visit(child);
    }
  };
  visit(program);
  return program;
}
