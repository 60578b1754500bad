import { setTimeout as sleep } from 'node:timers/promises';
import { checkJournal, checkSlots, other, readUpdateJournal, type Finding } from './checks';
import type { Cut } from './cut';
import type { Device } from './device';
import type { Operation } from './patched-fs';
import type { PowercutSettings } from './preload/main';
import { RELEASES } from './releases';
import type { Scenario } from './scenarios';
import type { World } from './world';

export interface RunReport {
  scenario: string;
  cut: Cut | null;
  /** The call that it died at; null where it never came to it. */
  diedAt: { op: string; path: string } | null;
  /** Starts after the cut until all was well. */
  starts: number;
  findings: Finding[];
  ms: number;
}

export interface RunOptions {
  jobId: string;
  scenario: Scenario;
  cut: Cut | null;
  /** Calls that the disk only says it has made. */
  lies?: Operation[];
  /** Notes the calls. */
  trace?: boolean;
  /** A command that runs the agent, until its first end. */
  under?: readonly string[];
  /** Whether another update goes through afterwards. */
  andNext?: boolean;
}

const WELL_WITHIN_MS = 60_000;
const MAX_STARTS = 3;
const POLL_MS = 25;

/** One update with the power cut once, to the end that it must come to. */
export async function runOnce(
  world: World,
  device: Device,
  options: RunOptions,
): Promise<RunReport> {
  const { jobId, scenario, cut, lies = [], trace = false, under, andNext = false } = options;
  const from = performance.now();
  device.fresh(scenario);
  await device.createJob(jobId, RELEASES[scenario.release].target);
  const hold = holdOf(world, options);
  device.start({ cut, lies, trace, hold }, under);
  const wellAtOnce = await untilWell(device, options);
  const diedAt = device.died;
  let starts = 0;
  // It may die between two looks, when all is well but for a last line in its journal.
  let well = wellAtOnce && diedAt === null;
  while (!well && starts < MAX_STARTS) {
    await device.end();
    starts += 1;
    device.start(hold === null ? null : { hold });
    well = await untilWell(device, options);
  }
  const findings = await findingsOf(device, options, well);
  // A cut that was not reached is still to come: it would be one of the next update.
  const isOver = cut === null || diedAt !== null;
  if (andNext && isOver && findings.length === 0)
    findings.push(...(await takesNext(device, jobId)));
  await device.end();
  await device.clearJob(jobId);
  const ms = Math.round(performance.now() - from);
  return { scenario: scenario.name, cut, diedAt, starts, findings, ms };
}

function holdOf(world: World, { scenario, jobId }: RunOptions): PowercutSettings['hold'] {
  const { cancelBefore } = scenario;
  return cancelBefore === null ? null : { ...cancelBefore, url: world.cancelUrl(jobId) };
}

/** True once the job is over and the device at rest with its application; false where the agent ended before. */
async function untilWell(device: Device, { jobId }: RunOptions): Promise<boolean> {
  const deadline = Date.now() + WELL_WITHIN_MS;
  let ended = false;
  while (Date.now() < deadline) {
    if (!device.alive) return false;
    const rests = device.applicationRuns && atRest(device);
    ended ||= rests && isTerminal(await device.statusOf(jobId));
    if (ended && rests) return true;
    await sleep(POLL_MS);
  }
  return false;
}

function atRest({ disk }: Device): boolean {
  try {
    return readUpdateJournal(disk).current === null;
  } catch {
    return false;
  }
}

const isTerminal = (status: string): boolean => !['QUEUED', 'IN_PROGRESS'].includes(status);

async function findingsOf(
  device: Device,
  { jobId, scenario }: RunOptions,
  well: boolean,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const escaped = device.escaped;
  if (escaped !== null) findings.push(other(`past the harness: ${escaped}`));
  const status = await device.statusOf(jobId);
  const told = device.reportedEnds(jobId).filter((end) => end !== status);
  if (status !== scenario.status || (scenario.status !== 'CANCELED' && told.length > 0)) {
    const what = `the job is ${status}, not ${scenario.status}; also told: ${told.join()}`;
    findings.push({ damage: 'wrongTerminalStatus', what });
  }
  if (!well && !device.applicationRuns) {
    findings.push({ damage: 'bricked', what: `no application runs: ${device.tail()}` });
  } else if (!well) findings.push(other(`not well in ${MAX_STARTS} starts: ${device.tail()}`));
  findings.push(...checkSlots(device.disk, scenario.runs));
  findings.push(...checkJournal(device.disk, scenario.runs));
  return findings;
}

/** Another update shows that trust, slots and journal all still work. */
async function takesNext(device: Device, after: string): Promise<Finding[]> {
  const jobId = `${after}-next`;
  await device.createJob(jobId, RELEASES.next.target);
  const options = { jobId, scenario: { ...NEXT }, cut: null };
  const well = await untilWell(device, options);
  const findings = await findingsOf(device, options, well);
  await device.clearJob(jobId);
  return findings.map(({ what, damage }) => ({
    damage: damage === 'wrongTerminalStatus' ? 'deadTufStore' : damage,
    what: `the next update: ${what}`,
  }));
}

const NEXT: Scenario = {
  name: 'commit',
  from: 'seasoned',
  release: 'next',
  status: 'SUCCEEDED',
  runs: 'next',
  cancelBefore: null,
};
