import { pino } from 'pino';
import { createAgent } from './agent';
import { InvalidConfigError, VARIABLES, loadConfig } from './config';
import { startHeartbeat } from './heartbeat';

/** Exit code: healing by reconnecting failed, so whoever supervises this process starts it anew. */
const WEDGED = 70;
const STOP_WEDGED_MS = 15_000;

const HELP = `Runs one device agent until SIGTERM or SIGINT. Logs JSON lines to standard error.

Usage: node device-agent.js

Environment:
${VARIABLES.map(([name, , purpose]) => `  ${name.padEnd(25)}${purpose}`).join('\n')}
  AGENT_LOG_LEVEL          info (default), debug, warn, error

The application says {"publish":{"topic","payload"}} and {"health"} on its standard output, one JSON object a
line, and is told {"command","payload"} on its standard input.
`;

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    process.stdout.write(HELP);
    return;
  }
  const level = process.env['AGENT_LOG_LEVEL'] ?? 'info';
  const log = pino({ level }, pino.destination({ dest: 2, sync: true }));
  const config = loadConfig(process.env);
  const agent = createAgent(config, log, { onWedged: () => end(WEDGED) });
  const end = (code: number): void => {
    // What is wedged may not stop, either.
    if (code === WEDGED) setTimeout(() => process.exit(code), STOP_WEDGED_MS);
    agent.stop().then(
      () => process.exit(code),
      (error: unknown) => {
        log.error({ event: 'stop failed', reason: String(error) });
        process.exit(1);
      },
    );
  };
  const stop = (): void => end(0);
  startHeartbeat(config.watchdog.blockedMs, log);
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  await agent.start();
}

main().catch((error: unknown) => {
  const problem = error instanceof InvalidConfigError ? error.message : String(error);
  process.stderr.write(`${problem}\n`);
  process.exit(error instanceof InvalidConfigError ? 2 : 1);
});
