import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { countByOperation } from '../../bench/figures';
import { stagedOtaId } from '../../domain/ids';
import type { StagedOtaInput, StagedOtaResult } from '../../domain/rollout/types';
import { TASK_QUEUES, WORKFLOWS } from '../../domain/temporal';
import { FAULTS, shellFirmware, type BadBuild } from './firmware';
import { createUntil, type Until } from './patience';
import { createPeople } from './people';
import { stayUp, type ScenarioIo, type ScenarioOptions } from './scenario';
import { follow } from './staged-ota-follow';
import { proveByDevices, type Proof } from './staged-ota-proof';
import { scratchDir, setTheOtaStage, SITES, type OtaStage } from './staged-ota-stage';
import { thingsOfWave } from './staged-ota-wave';
import { countEvents, type EventCounts } from './temporal-events';
import { createTimeline, type Timeline } from './timeline';
import { startWitness, type Witness } from './witness';

const OLD = '1.0.0';
const NEW = '1.1.0';
const APPROVERS = ['ada', 'bo'];
const STOPPED_WITHIN_MS = 60_000;
const TELEMETRY_MS = 5_000;
/** How long a new application must run well before its device confirms it, and how long it may have no network. */
const CONFIRM_MS = 3_000;
const CONNECT_WITHIN_MS = 10_000;
/** Minutes where a fleet would take hours. */
const SETTINGS: NonNullable<StagedOtaInput['settings']> = {
  soak: '20 seconds',
  lookEvery: '1 second',
  measureEvery: '4 seconds',
  queuedFor: '1 minute',
  inProgressFor: '1 minute',
  settleWithin: '1 minute',
  inFlight: 40,
};

interface Play extends OtaStage {
  io: ScenarioIo;
  timeline: Timeline;
  witness: Witness;
  until: Until;
  devices: number;
  badBuild: BadBuild | null;
  /** Names of the devices on which the build `wave3` fails. */
  waveFile: string;
}

export async function stagedOtaScenario(io: ScenarioIo, options: ScenarioOptions) {
  const { devices = 200, badBuild = null } = options;
  const dir = scratchDir();
  const cleanUp: (() => Promise<unknown>)[] = [];
  try {
    const stage = await setUp(io, { devices, badBuild, dir, cleanUp });
    const outcome = await play(stage);
    summarise(outcome, io);
    if (io.stayUp) {
      const ui = `Temporal UI: ${stage.stack.temporal.uiUrl}.`;
      await stayUp(io, `${ui} Everything stays up until Ctrl-C.`);
    }
    return outcome;
  } finally {
    io.write('Stopping.');
    for (const stop of cleanUp.reverse()) await stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

interface SetUp {
  devices: number;
  badBuild: BadBuild | null;
  dir: string;
  cleanUp: (() => Promise<unknown>)[];
}

async function setUp(io: ScenarioIo, options: SetUp): Promise<Play> {
  const { devices, badBuild, dir, cleanUp } = options;
  const timeline = createTimeline((line) => io.write(line));
  const waveFile = join(dir, 'wave-3');
  writeFileSync(waveFile, '');
  const stage = await setTheOtaStage({
    devices,
    dir,
    cleanUp,
    tell: (line) => timeline.tell(line),
    releases: [
      [OLD, await shellFirmware(OLD, null)],
      [NEW, await shellFirmware(NEW, badBuild)],
    ],
    updates: {
      confirmMs: CONFIRM_MS,
      connectWithinMs: CONNECT_WITHIN_MS,
      health: { kind: 'command', command: 'sh', args: ['health.sh'] },
    },
    fleet: {
      ownNetworks: badBuild === 'network',
      telemetryIntervalMs: TELEMETRY_MS,
      applicationEnv: { SAMPLE_APP_WAVE_FILE: waveFile },
    },
  });
  const witness = await startWitness(stage.aws, stage.stack.emulator);
  cleanUp.push(() => witness.stop());
  const until = createUntil(io.signal);
  return { ...stage, io, timeline, witness, until, devices, badBuild, waveFile };
}

async function play(stage: Play) {
  const { timeline, proxy, badBuild, devices } = stage;
  const what = badBuild === null ? 'works' : `is bad: it ${FAULTS[badBuild].about}`;
  timeline.tell(`${devices} agents run ${OLD}; ${NEW} ${what}`);
  proxy.reset();
  const result = await rollOut(stage);
  const awsCalls = proxy.calls().length;
  const byOperation = Object.entries(countByOperation(proxy.calls()));
  timeline.tell(`AWS calls: ${byOperation.map(([name, count]) => `${count} ${name}`).join(', ')}`);
  timeline.tell(`${result.outcome}: ${result.summary}`);
  const proof = await proveByDevices({
    ...stage,
    result,
    target: targetOf(NEW),
    version: badBuild === null ? NEW : OLD,
    firstFailureStops: badBuild !== null && badBuild !== 'wave3',
  });
  timeline.tell(
    `by their own slots and telemetry ${proof.running} of ${devices} devices run what they should, ${proof.switched} ever ran ${NEW}`,
  );
  const events = await countEvents(stage.temporal, [WORKFLOWS.stagedOta, WORKFLOWS.otaWave]);
  return resultOf(stage, { result, proof, events, awsCalls });
}

async function rollOut(stage: Play): Promise<StagedOtaResult> {
  const { temporal, timeline, services, devices, badBuild } = stage;
  const people = await createPeople(services.env, APPROVERS);
  const release = targetOf(NEW);
  const input: StagedOtaInput = {
    release,
    selector: { sites: SITES },
    reason: 'demo',
    requestedBy: 'demo',
    ...(badBuild === 'wave3' && { waves: groupsOf(devices) }),
    settings: { ...SETTINGS, ...(badBuild === 'wave3' && { inFlight: IN_FLIGHT_WAVE3 }) },
  };
  const run = await temporal.workflow.start(WORKFLOWS.stagedOta, {
    workflowId: stagedOtaId(release),
    taskQueue: TASK_QUEUES.runbooks,
    args: [input],
  });
  timeline.tell(`started ${run.workflowId}: ${uiOf(stage, run)}`);
  const onPlanned = () => markThirdWave(stage);
  return follow({ run, timeline, people, signal: stage.io.signal, onPlanned });
}

const IN_FLIGHT_WAVE3 = 20;

/** As the groups that hawkBit was measured with, for other fleets in proportion. */
function groupsOf(devices: number): number[] {
  const first = 5;
  const second = Math.round(devices / 10);
  const third = Math.round(devices / 2);
  return [first, second, third, devices - first - second - third];
}

async function markThirdWave(stage: Play): Promise<void> {
  if (stage.badBuild !== 'wave3') return;
  const things = await thingsOfWave(stage, 3);
  writeFileSync(stage.waveFile, `${things.join('\n')}\n`);
  stage.timeline.tell(`the build fails on the ${things.length} devices of wave 3`);
}

interface Outcome {
  result: StagedOtaResult;
  proof: Proof;
  events: EventCounts;
  awsCalls: number;
}

function resultOf(stage: Play, { result, proof, events, awsCalls }: Outcome) {
  const { devices } = stage;
  const { touched, updated, rolledBack, needsPerson } = result.devices ?? NOTHING;
  const heldByDevices = proof.running === devices && proof.switched <= touched;
  const { abortedAfterMs, switchesAfterAbort } = proof;
  return {
    scenario: 'staged-ota',
    ok: heldByDevices && needsPerson === 0 && asHoped(stage, { result, proof }),
    devices,
    touched,
    updated,
    rolledBack,
    needsPerson,
    abortedAfterMs,
    switchesAfterAbort,
    workflowEvents: events.all,
    maxRunEvents: events.mostOfARun,
    awsCallsPerDevice: Math.round((awsCalls / devices) * 100) / 100,
  };
}

const NOTHING = { touched: 0, updated: 0, rolledBack: 0, needsPerson: 0 };

function asHoped(
  { badBuild, devices }: Play,
  { result, proof }: Pick<Outcome, 'result' | 'proof'>,
): boolean {
  const { touched, updated, rolledBack } = result.devices ?? NOTHING;
  if (badBuild === null)
    return result.outcome === 'completed' && updated === devices && touched === devices;
  const stopped = result.abortAcknowledgedAt !== null && proof.abortedAfterMs <= STOPPED_WITHIN_MS;
  const contained = touched > 0 && touched <= mostTouched(badBuild, devices);
  return stopped && contained && proof.switchesAfterAbort === 0 && rolledBack === touched;
}

/** In the third wave no gate has seen more than the share that aborts, and what is in flight by then. */
function mostTouched(badBuild: BadBuild, devices: number): number {
  if (badBuild !== 'wave3') return Math.max(5, Math.ceil(devices / 100));
  const [first = 0, second = 0, third = 0] = groupsOf(devices);
  const threshold = Math.max(Math.min(10, third), Math.ceil(third / 20));
  return first + second + IN_FLIGHT_WAVE3 + threshold;
}

const targetOf = (version: string): string => `pump/${version}.tar`;

const uiOf = ({ stack }: Play, { workflowId }: WorkflowHandle): string =>
  `${stack.temporal.uiUrl}/namespaces/default/workflows/${encodeURIComponent(workflowId)}`;

function summarise(result: ReturnType<typeof resultOf>, io: ScenarioIo): void {
  const { ok, touched, updated, rolledBack, abortedAfterMs } = result;
  const stopped = `stopped in ${abortedAfterMs} ms, ${touched} devices touched, ${rolledBack} back on ${OLD}`;
  const story = abortedAfterMs === 0 ? `${updated} devices updated` : stopped;
  io.write('');
  io.write(ok ? `It works: ${story}.` : `It does not work: ${JSON.stringify(result)}`);
}
