import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { samplePoints } from '../kill-points';
import { mannersFor, type Cut } from './cut';
import { Device } from './device';
import type { Call, Operation } from './patched-fs';
import { runOnce, type RunReport } from './run';
import { SCENARIOS, SEASONING, type Scenario } from './scenarios';
import type { World } from './world';

export interface SweepOptions {
  /** Only so many of the cuts. */
  sample?: number;
  seed: number;
  /** Devices at once. */
  lanes: number;
  /** Calls that the disks only say they have made, to show that it is noticed. */
  lies?: Operation[];
  scenarios?: readonly Scenario[];
  log: (line: string) => void;
}

export interface SweepReport {
  /** Calls that change the disk in undisturbed runs. */
  calls: number;
  runs: RunReport[];
}

interface Planned {
  scenario: Scenario;
  cut: Cut;
}

/** Of so many runs one is followed by another update. */
const NEXT_EVERY = 5;

/**
 * Each scenario once undisturbed, to learn its calls; then once per call and manner of cut, each with a fresh disk
 * and the same repository.
 */
export async function sweep(world: World, options: SweepOptions): Promise<SweepReport> {
  const { sample, seed, lanes, lies = [], scenarios = SCENARIOS, log } = options;
  const names = Array.from({ length: lanes }, (_, lane) => `powercut-${lane + 1}`);
  const devices = await Promise.all(names.map((name) => Device.create(world, name)));
  const [first] = devices;
  if (first === undefined) throw new Error('a sweep needs at least one lane');
  await season(world, first);
  const planned: Planned[] = [];
  let calls = 0;
  for (const scenario of scenarios) {
    const found = await learn(world, first, scenario);
    log(`${scenario.name}: ${found.length} calls`);
    calls += found.length;
    planned.push(...cutsOf(scenario, found, seed));
  }
  const chosen = sample === undefined ? planned : samplePoints(planned, sample, seed);
  const runs = await runAll(world, devices, chosen, { lies, log });
  return { calls, runs };
}

/** A device that has taken an update, with newer metadata waiting for it since. */
async function season(world: World, device: Device): Promise<void> {
  await undisturbed(world, device, SEASONING, 'seasoning');
  cpSync(device.disk, world.seasoned, { recursive: true, verbatimSymlinks: true });
  world.publishAgain();
}

type NotedCall = Pick<Call, 'op' | 'path' | 'bytes'> & { unsynced: boolean };

async function learn(world: World, device: Device, scenario: Scenario): Promise<NotedCall[]> {
  await undisturbed(world, device, scenario, `undisturbed-${scenario.name.replaceAll(' ', '-')}`);
  const lines = readFileSync(join(device.report, 'calls'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as NotedCall);
}

async function undisturbed(
  world: World,
  device: Device,
  scenario: Scenario,
  jobId: string,
): Promise<void> {
  const report = await runOnce(world, device, { jobId, scenario, cut: null, trace: true });
  if (report.findings.length === 0 && report.starts === 0) return;
  const what = report.findings.map((finding) => finding.what).join('; ');
  throw new Error(`${scenario.name} without a cut: ${what}\n${device.tail()}`);
}

function cutsOf(scenario: Scenario, calls: readonly NotedCall[], seed: number): Planned[] {
  return calls.flatMap((call, index) =>
    mannersFor(call, call.unsynced).map((manner): Planned => {
      const cut = { at: index + 1, manner, seed: seed * 100_003 + index };
      return { scenario, cut };
    }),
  );
}

async function runAll(
  world: World,
  devices: readonly Device[],
  planned: readonly Planned[],
  { lies, log }: { lies: Operation[]; log: (line: string) => void },
): Promise<RunReport[]> {
  const reports: RunReport[] = [];
  const from = performance.now();
  let next = 0;
  const lane = async (device: Device): Promise<void> => {
    for (let index = next++; index < planned.length; index = next++) {
      const item = planned[index];
      if (item === undefined) return;
      const jobId = `cut-${index + 1}`;
      const andNext = index % NEXT_EVERY === 0;
      const report = await runOnce(world, device, { ...item, jobId, lies, andNext });
      reports.push(report);
      tell(report, reports.length, planned.length, performance.now() - from, log);
      await sleep(0);
    }
  };
  await Promise.all(devices.map(lane));
  return reports;
}

const PROGRESS_EVERY = 50;

function tell(
  report: RunReport,
  done: number,
  all: number,
  elapsedMs: number,
  log: (line: string) => void,
): void {
  for (const { damage, what } of report.findings) log(`${describeRun(report)}: ${damage}: ${what}`);
  if (done % PROGRESS_EVERY !== 0) return;
  const left = Math.ceil(((elapsedMs / done) * (all - done)) / 60_000);
  log(`${done} of ${all} cuts, about ${left} min to go`);
}

export function describeRun({ scenario, cut, diedAt }: RunReport): string {
  const at = diedAt === null ? 'not reached' : `${diedAt.op} ${diedAt.path}`;
  return `${scenario}, ${cut?.manner} at ${cut?.at} (${at})`;
}
