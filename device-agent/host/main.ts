import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino, type Logger } from 'pino';
import { createAgent, type Agent } from '../agent';
import { InvalidConfigError, loadFleetConfig, type AgentConfig } from '../config';

const STOP_WEDGED_MS = 15_000;

const HELP = `Hosts many device agents in one process, for fleets on one machine, until SIGTERM or SIGINT.

Usage: host/main.ts FILE

FILE holds {"agents":[{"thing","host","port","caFile","certFile","keyFile","stateDir","firmwareVersion",
"hardwareVersion",…}]}; the fields are those of agentConfig in device-agent/config.ts.
Logs JSON lines to standard error; AGENT_LOG_LEVEL is info by default.
`;

/** One that is wedged is replaced; the others run on. */
function keepRunning(config: AgentConfig, log: Logger): Pick<Agent, 'start' | 'stop'> {
  let current: Agent;
  let stopping = false;
  const create = (): Agent => createAgent(config, log, { onWedged: () => void replace() });
  const replace = async (): Promise<void> => {
    await Promise.race([current.stop().catch(() => undefined), sleep(STOP_WEDGED_MS)]);
    if (stopping) return;
    current = create();
    await current.start();
  };
  current = create();
  return {
    start: () => current.start(),
    stop: () => {
      stopping = true;
      return current.stop();
    },
  };
}

async function main(): Promise<void> {
  const [file] = process.argv.slice(2);
  if (file === undefined || file === '--help') {
    process.stdout.write(HELP);
    process.exitCode = file === undefined ? 2 : 0;
    return;
  }
  const level = process.env['AGENT_LOG_LEVEL'] ?? 'info';
  const log = pino({ level }, pino.destination({ dest: 2, sync: true }));
  const agents = loadFleetConfig(readFileSync(file, 'utf8')).map((config) =>
    keepRunning(config, log),
  );
  const stop = (): void => {
    void Promise.allSettled(agents.map((agent) => agent.stop())).then((ends) => {
      const failed = ends.filter((end) => end.status === 'rejected');
      for (const { reason } of failed) log.error({ event: 'stop failed', reason: String(reason) });
      process.exit(failed.length === 0 ? 0 : 1);
    });
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  await Promise.all(agents.map((agent) => agent.start()));
}

main().catch((error: unknown) => {
  const problem = error instanceof InvalidConfigError ? error.message : String(error);
  process.stderr.write(`${problem}\n`);
  process.exit(error instanceof InvalidConfigError ? 2 : 1);
});
