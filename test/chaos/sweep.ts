import { startAwsProxy, type AwsCall, type AwsProxy } from '../../local/proxies/aws-proxy';
import { duplicateSideEffects, type Duplicate } from '../../local/proxies/ledger';
import { startTemporalProxy, type TemporalProxy } from '../../local/proxies/temporal-proxy';
import type { Child } from '../../local/stack/child';
import { describePoint, samplePoints, type KillPoint } from './kill-points';
import { createKillSwitch, type KillSwitch } from './kill-switch';

/** One thing, workflow or other subject, fresh for each run. */
export interface Subject {
  /** From the start to the end of the scenario; must end by itself once the signal aborts. */
  drive(signal: AbortSignal): Promise<void>;
  /** What is wrong with the end state, a sentence each. */
  verify(): Promise<string[]>;
  /** Frees what the run took, also after one that got stuck. */
  clear(): Promise<void>;
}

export interface Scenario {
  /** Starts a worker that reaches Temporal and AWS only through these. */
  startWorker(through: { temporalAddress: string; awsEndpoint: string }): Child;
  prepare(run: number): Promise<Subject>;
}

export interface SweepOptions {
  upstream: { temporal: string; aws: string };
  /** A run that has not ended by then is stuck. */
  runTimeoutMs: number;
  /** So many of the kill points, chosen by `seed`; all where absent. */
  sample?: number;
  seed?: number;
  log?: (line: string) => void;
}

export interface RunReport {
  /** Where the worker died; `none` in the run that finds the points. */
  point: string;
  outcome: 'ok' | 'lost' | 'stuck' | 'notReached';
  problems: string[];
  duplicates: Duplicate[];
  ms: number;
}

export interface SweepReport {
  /** Runs in which the worker was killed. */
  killPoints: number;
  /** Runs that ended in a wrong state. */
  lost: number;
  /** Runs that did not end in time. */
  stuck: number;
  /** Side effects that took place twice. */
  duplicated: number;
  /** Points of the first run that did not come up again, such as a second look of a watch. */
  notReached: number;
  details: RunReport[];
}

interface Sweep {
  scenario: Scenario;
  options: SweepOptions;
  proxies: { temporal: TemporalProxy; aws: AwsProxy };
  killSwitch: KillSwitch;
  worker: { ensure(): void };
}

/**
 * Runs the scenario once undisturbed and notes each point at which its worker could die, then once per point: SIGKILL
 * there, another worker at once, and the end state and the ledger of AWS calls must be as if nothing had happened.
 */
export async function sweep(scenario: Scenario, options: SweepOptions): Promise<SweepReport> {
  const temporal = await startTemporalProxy({ upstream: options.upstream.temporal });
  const aws = await startAwsProxy({ upstream: options.upstream.aws });
  let worker: Child | undefined;
  const ensure = (): void => {
    if (worker?.running() === true) return;
    worker = scenario.startWorker({
      temporalAddress: temporal.address,
      awsEndpoint: aws.endpoint,
    });
  };
  const kill = async (): Promise<void> => {
    worker?.kill('SIGKILL');
    await worker?.exited;
    ensure();
  };
  const proxies = { temporal, aws };
  const killSwitch = createKillSwitch(proxies, kill);
  try {
    return await runAll({ scenario, options, proxies, killSwitch, worker: { ensure } });
  } finally {
    killSwitch.arm(null);
    await worker?.stop();
    await Promise.all([temporal.stop(), aws.stop()]);
  }
}

async function runAll(sweep: Sweep): Promise<SweepReport> {
  const { sample, seed = 1, log = () => undefined } = sweep.options;
  const first = await runOnce(sweep, 0, null);
  const all = distinct(sweep.killSwitch.passed());
  const points = sample === undefined ? all : samplePoints(all, sample, seed);
  log(`undisturbed: ${first.outcome} in ${first.ms} ms, ${all.length} kill points`);
  for (const problem of first.problems) log(`  ${problem}`);
  if (first.outcome !== 'ok') return summarise([first]);
  const runs = [first];
  for (const [index, point] of points.entries()) {
    const report = await runOnce(sweep, index + 1, point);
    runs.push(report);
    log(`${index + 1}/${points.length} ${report.point}: ${report.outcome} in ${report.ms} ms`);
    for (const problem of report.problems) log(`  ${problem}`);
    for (const { resource, what } of report.duplicates) log(`  duplicate: ${resource}: ${what}`);
  }
  return summarise(runs);
}

/** A watch may look more often in one run than in the next; a point is one moment all the same. */
function distinct(points: KillPoint[]): KillPoint[] {
  return [...new Map(points.map((point) => [describePoint(point), point])).values()];
}

async function runOnce(sweep: Sweep, run: number, point: KillPoint | null): Promise<RunReport> {
  const { scenario, options, proxies, killSwitch, worker } = sweep;
  const subject = await scenario.prepare(run);
  proxies.temporal.reset();
  proxies.aws.reset();
  killSwitch.arm(point);
  worker.ensure();
  const from = performance.now();
  const failure = await endOf(subject, options.runTimeoutMs);
  const ms = Math.round(performance.now() - from);
  const problems = failure?.stuck === true ? [failure.why] : await checked(subject, failure);
  const duplicates = duplicateSideEffects(applied(proxies.aws.calls()));
  const outcome = outcomeOf(failure, problems, point === null || killSwitch.fired());
  await subject.clear();
  return {
    point: point === null ? 'none' : describePoint(point),
    outcome,
    problems,
    duplicates,
    ms,
  };
}

interface Failure {
  stuck: boolean;
  why: string;
}

async function endOf(subject: Subject, timeoutMs: number): Promise<Failure | null> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    await subject.drive(signal);
    return null;
  } catch (err) {
    const why = err instanceof Error ? `${err.name}: ${err.message}` : String(err);
    return { stuck: signal.aborted, why };
  }
}

async function checked(subject: Subject, failure: Failure | null): Promise<string[]> {
  const problems = await subject.verify();
  return failure === null ? problems : [failure.why, ...problems];
}

function outcomeOf(
  failure: Failure | null,
  problems: string[],
  reached: boolean,
): RunReport['outcome'] {
  if (failure?.stuck === true) return 'stuck';
  if (problems.length > 0) return 'lost';
  return reached ? 'ok' : 'notReached';
}

const applied = (calls: AwsCall[]): AwsCall[] => calls.filter(({ forwarded }) => forwarded);

function summarise(runs: RunReport[]): SweepReport {
  const count = (outcome: RunReport['outcome']): number =>
    runs.filter((run) => run.outcome === outcome).length;
  const killed = runs.filter(({ point, outcome }) => point !== 'none' && outcome !== 'notReached');
  return {
    killPoints: killed.length,
    lost: count('lost'),
    stuck: count('stuck'),
    duplicated: runs.reduce((sum, { duplicates }) => sum + duplicates.length, 0),
    notReached: count('notReached'),
    details: runs,
  };
}
