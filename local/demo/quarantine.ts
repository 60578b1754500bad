import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { createAlarmSource } from '../../activities/aws/alarms';
import { createIotLogging } from '../../activities/aws/iot-logging';
import { createIotRegistry } from '../../activities/aws/iot-registry';
import { readDevice } from '../../activities/quarantine/snapshot';
import { containBare, releaseBare } from '../../bench/bare-containment';
import { quarantineId } from '../../domain/ids';
import { deviceAlarmName } from '../../domain/names';
import type { QuarantineStatus } from '../../domain/quarantine/types';
import { UPDATES } from '../../domain/temporal';
import type { FleetDevice } from '../fleet';
import { intrude, type IntruderAnswer } from './intruder';
import { createUntil, pause, type Until } from './patience';
import { stayUp, type ScenarioIo } from './scenario';
import { DEVICES, setTheStage, type Stage } from './stage';

const VICTIM = 'pump-07';
/** How long nothing may be heard of a contained device: several telemetry intervals. */
const SILENCE_MS = 3000;

type Handle = WorkflowHandle;

interface Act {
  allowedBefore: boolean;
  deniedAfter: boolean;
  othersUnaffected: boolean;
  containedApp: boolean;
  releasedExactly: boolean;
  alarmToContainedMs: number;
  workflowEvents: number;
  awsCalls: number;
}

export async function quarantineScenario(io: ScenarioIo) {
  const dir = mkdtempSync(join(tmpdir(), 'iot-runbooks-demo-'));
  const cleanUp: (() => Promise<unknown>)[] = [];
  try {
    const stage = await setTheStage(io, dir, cleanUp);
    const act = await play(stage, io.signal);
    const bareSdkMs = await bareContainment(stage);
    const ok = act.allowedBefore && act.deniedAfter && act.othersUnaffected;
    const result = {
      scenario: 'quarantine',
      ok: ok && act.containedApp && act.releasedExactly,
      devices: DEVICES.length,
      ...act,
      bareSdkMs,
    };
    summarise(result, io);
    if (io.stayUp) {
      const ui = `Temporal UI: ${stage.stack.temporal.uiUrl}.`;
      await stayUp(io, `${ui} Everything stays up until Ctrl-C.`);
    }
    return result;
  } finally {
    io.write('Stopping.');
    for (const stop of cleanUp.reverse()) await stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function play(stage: Stage, signal: AbortSignal): Promise<Act> {
  const { witness, proxy } = stage;
  const until = createUntil(signal);
  const allowedBefore = await publishesFreely(stage, until);
  const before = await stateOf(stage);
  proxy.reset();
  const alarmedAt = await misbehave(stage, until);
  const run = stage.temporal.workflow.getHandle(quarantineId(VICTIM));
  const held = await watchContainment(stage, run, until);
  const shutOut = (await intrudeAsVictim(stage)) === 'refused';
  const silent = await fallsSilent(stage, signal);
  const during = await stateOf(stage);

  await deviceOf(stage).behave();
  await release(stage, run, until);
  const { proof } = held;
  return {
    allowedBefore,
    deniedAfter: shutOut && silent && held.level === 'contained, observed' && during !== before,
    othersUnaffected: DEVICES.every(
      ({ thing }) =>
        thing === VICTIM || (witness.of(thing).lost === 0 && heardLately(stage, thing)),
    ),
    containedApp: held.applicationStoppedAt !== null,
    releasedExactly: (await stateOf(stage)) === before,
    alarmToContainedMs:
      Math.max(...[proof?.disconnectedAt, proof?.deniedByDocumentsAt].map(toMs)) - alarmedAt,
    workflowEvents: (await run.fetchHistory()).events?.length ?? 0,
    awsCalls: proxy.calls().length,
  };
}

/** The positive control: the fleet is heard, and who has the victim's certificate and key may publish as it. */
async function publishesFreely(stage: Stage, until: Until): Promise<boolean> {
  const { timeline, witness } = stage;
  await until('telemetry of all devices', () =>
    DEVICES.every(({ thing }) => witness.of(thing).messages >= 3),
  );
  timeline.tell(`${DEVICES.length} agents publish telemetry, ${VICTIM} among them`);
  const answer = await intrudeAsVictim(stage);
  const from = Date.now();
  await until(`${VICTIM}'s agent to be back`, () => witness.since(VICTIM, from) >= 2);
  return answer === 'accepted';
}

async function intrudeAsVictim(stage: Stage): Promise<IntruderAnswer> {
  const answer = await intrude(stage.stack.emulator.mqtt, deviceOf(stage));
  stage.timeline.tell(`someone with ${VICTIM}'s certificate and key publishes as it: ${answer}`);
  return answer;
}

async function fallsSilent({ timeline, witness }: Stage, signal: AbortSignal): Promise<boolean> {
  const from = Date.now();
  await pause(SILENCE_MS, signal);
  const heard = witness.since(VICTIM, from);
  timeline.tell(`${VICTIM} published ${heard} messages in ${SILENCE_MS / 1000} s`);
  return heard === 0;
}

/** Returns when CloudWatch raised the alarm, in epoch milliseconds. */
async function misbehave(stage: Stage, until: Until): Promise<number> {
  const { timeline, aws } = stage;
  await deviceOf(stage).misbehave();
  timeline.tell(`${VICTIM} misbehaves: its application floods a topic it may not publish to`);
  const name = deviceAlarmName('RefusedPublishes', VICTIM);
  const alarms = createAlarmSource(() => aws);
  let alarmedAt = 0;
  await until(`alarm ${name}`, async () => {
    const alarm = await alarms.readAlarm(name, stage.stack.emulator.region);
    if (alarm?.state === 'ALARM') alarmedAt = Date.parse(alarm.stateChangedAt);
    return alarmedAt > 0;
  });
  timeline.tell(`its telemetry raised CloudWatch alarm ${name}`, alarmedAt);
  return alarmedAt;
}

async function watchContainment(
  { timeline, stack }: Stage,
  run: Handle,
  until: Until,
): Promise<QuarantineStatus> {
  let status: QuarantineStatus | null = null;
  await until('a containment, seen by a refusal', async () => {
    status = await statusOf(run);
    return status?.level === 'contained, observed' && status.applicationStoppedAt !== null;
  });
  const { proof, applicationStoppedAt } = required<QuarantineStatus>(status);
  const url = `${stack.temporal.uiUrl}/namespaces/default/workflows/${encodeURIComponent(run.workflowId)}`;
  timeline.tell('a signed SNS message started the runbook', toMs(proof?.requestedAt));
  timeline.tell(`its session was dropped`, toMs(proof?.disconnectedAt));
  timeline.tell('the attached documents deny it', toMs(proof?.deniedByDocumentsAt));
  timeline.tell(
    `a refused publish was seen (${proof?.refusalSeenBy ?? ''})`,
    toMs(proof?.refusalSeenAt),
  );
  timeline.tell('its agent stopped the application', toMs(applicationStoppedAt));
  timeline.tell(`the run in Temporal UI: ${url}`);
  return required<QuarantineStatus>(status);
}

async function release({ timeline }: Stage, run: Handle, until: Until): Promise<void> {
  const request = { by: 'demo', reason: 'the application is mended' };
  const answer = await run.executeUpdate<string, [typeof request]>(UPDATES.release, {
    args: [request],
  });
  timeline.tell(`released: ${answer}`);
  await until('it to publish again', async () => (await statusOf(run))?.phase === 'probation');
  const status = await statusOf(run);
  timeline.tell('a publish of it arrived again; probation begins', toMs(status?.canPublishAgainAt));
}

/** Null until the run has started and answers. */
const statusOf = (run: Handle): Promise<QuarantineStatus | null> =>
  run.query<QuarantineStatus>('status').catch(() => null);

/** Groups, certificates, policies and log level, as one text to compare. */
async function stateOf({ aws }: Stage): Promise<string> {
  const registry = createIotRegistry(aws.iot);
  const logging = createIotLogging(aws.iot, aws.logs);
  return JSON.stringify(await readDevice({ registry, logging }, VICTIM));
}

function deviceOf({ fleet }: Stage): FleetDevice {
  return required(fleet.devices.find(({ thing }) => thing === VICTIM));
}

const heardLately = ({ witness }: Stage, thing: string): boolean =>
  Date.now() - witness.of(thing).lastAt < SILENCE_MS;

/** The same calls by a plain script, in the same run, on the same device. */
async function bareContainment({ aws, timeline }: Stage): Promise<number> {
  const ms = Math.round(await containBare(aws, VICTIM));
  await releaseBare(aws, VICTIM);
  timeline.tell(`for comparison, a plain script makes the same AWS calls in ${ms} ms`);
  return ms;
}

function summarise(result: { ok: boolean } & Act, io: ScenarioIo): void {
  io.write('');
  io.write(
    result.ok
      ? `It works: ${VICTIM} was contained ${result.alarmToContainedMs} ms after the alarm, proven contained, and given back exactly as it was.`
      : `It does not work: ${JSON.stringify(result)}`,
  );
}

const toMs = (at: string | null | undefined): number => Date.parse(at ?? '');

function required<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('the demo lost track of a part');
  return value;
}
