import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { startChild, type Child } from '../local/stack/child';
import { messageOf } from '../local/stack/errors';
import { emulatorPython } from '../local/stack/python-env';
import { startTemporal, type TemporalServer } from '../local/stack/temporal';
import { lanesOf, TEMPORAL_ADDRESSES_VARIABLE } from './support/lanes';
import { readReport, type Report } from './support/jest-report';
import { endLeftovers, MARK_VARIABLE } from './support/leftovers';
import { pythonTuf } from './support/python-tuf';

const USAGE = `usage: npm test [-- <file pattern or Jest option>…]

Runs the test files in three lanes, each with a Temporal server of its own; what is missing is set up first.
--maxWorkers=N or --runInBand changes the number of lanes. The last line is "N passed, N failed".`;

const progress = (line: string): void => console.error(line);

interface Running {
  jest: Child | undefined;
  stopped: boolean;
  /** Jest reported and did not end: a test left something open. */
  hung: boolean;
}

/** After its report, until Jest counts as hung. */
const EXIT_WITHIN_MS = 30_000;

async function main(args: string[]): Promise<number> {
  if (args.includes('--help')) {
    console.log(USAGE);
    return 0;
  }
  const started = Date.now();
  const running: Running = { jest: undefined, stopped: false, hung: false };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      running.stopped = true;
      void running.jest?.stop();
    });
  }
  progress('Setting up what the tests need: Temporal servers, the AWS emulator and python-tuf');
  await emulatorPython({ log: progress });
  await pythonTuf({ log: progress });
  const { lanes, jestArgs } = lanesOf(args);
  const servers = await startServers(lanes);
  const stopServers = () => Promise.all(servers.map((server) => server.stop()));
  const dir = await mkdtemp(join(tmpdir(), 'iot-runbooks-test-'));
  const mark = randomUUID();
  try {
    progress(`Running Jest in ${lanes} ${lanes === 1 ? 'lane' : 'lanes'}`);
    const report = await runJest(jestArgs, join(dir, 'report.json'), running, {
      [MARK_VARIABLE]: mark,
      [TEMPORAL_ADDRESSES_VARIABLE]: servers.map(({ address }) => address).join(','),
    });
    await stopServers();
    return conclude(report, await endLeftovers(mark), running, started);
  } finally {
    await stopServers();
    await rm(dir, { recursive: true, force: true });
  }
}

/** One after the other: the first start on a machine builds the server. */
async function startServers(count: number): Promise<TemporalServer[]> {
  const servers: TemporalServer[] = [];
  while (servers.length < count) servers.push(await startTemporal({ log: progress }));
  return servers;
}

async function runJest(
  args: string[],
  output: string,
  running: Running,
  env: Record<string, string>,
): Promise<Report> {
  if (!running.stopped) {
    running.jest = startChild({
      name: 'jest',
      command: process.execPath,
      args: [require.resolve('jest/bin/jest'), '--json', `--outputFile=${output}`, ...args],
      env,
      onLine: (line, stream) => {
        if (stream === 'stderr') progress(line);
        if (line.startsWith('Jest did not exit')) endHungJest(running);
      },
    });
    await running.jest.exited;
  }
  return readReport(output);
}

function endHungJest(running: Running): void {
  setTimeout(() => {
    if (running.jest?.running() !== true) return;
    running.hung = true;
    void running.jest.stop();
  }, EXIT_WITHIN_MS).unref();
}

/** A process that outlives its test is a failure: it would be in the way of the next start. */
function conclude(
  report: Report,
  leftovers: readonly string[],
  { stopped, hung }: Running,
  started: number,
): number {
  for (const name of report.failures) progress(`FAILED ${name}`);
  for (const command of leftovers) progress(`FAILED a process was left behind: ${command}`);
  if (stopped) progress('FAILED stopped before the end');
  if (hung) progress('FAILED Jest did not exit: a test left something open');
  if (report.passed + report.failures.length === 0) progress('FAILED no test ran');
  if (report.skipped > 0) progress(`${report.skipped} skipped`);
  progress(`Took ${Math.round((Date.now() - started) / 1000)} s`);
  const failed = report.failures.length + leftovers.length + Number(stopped) + Number(hung);
  const nothingRan = report.passed + failed === 0;
  console.log(`${report.passed} passed, ${nothingRan ? 1 : failed} failed`);
  return failed === 0 && !nothingRan ? 0 : 1;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (err: unknown) => {
    progress(`FAILED ${messageOf(err)}`);
    console.log('0 passed, 1 failed');
    process.exit(1);
  },
);
