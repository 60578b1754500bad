import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAwsClients, type AwsClients } from '../../activities/aws/clients';
import { createIotJobs, isTerminal, type JobExecution } from '../../activities/aws/iot-jobs';
import { awsResources } from '../../activities/aws/provision';
import { applyProvisioning } from '../../activities/provision/provision';
import { placeOf } from '../../domain/policy/place';
import { startFleet } from '../fleet';
import { serveRepository } from '../fleet/repository-server';
import { startEmulator } from '../stack/emulator';
import { nodeFirmware } from './firmware';
import { createUntil, type Until } from './patience';
import { createPublisher, type Publisher } from './publisher';
import { stayUp, type ScenarioIo } from './scenario';
import { createTimeline, type Timeline } from './timeline';
import { startWitness, type Witness } from './witness';

const THING = 'pump-01';
const HARDWARE = ['rev-a', 'rev-b'];
const DEVICES = ['pump-01', 'pump-02', 'pump-03'].map((thing) => ({
  thing,
  site: 'oslo',
  hardware: 'rev-a',
}));
/** How long a new application must run before it counts as good; an hour would be usual. */
const CONFIRM_MS = 3_000;

interface Stage {
  aws: AwsClients;
  accountId: string;
  region: string;
  publisher: Publisher;
  witness: Witness;
  timeline: Timeline;
  until: Until;
}

/** A job and its device, from the document to the end of the execution. */
interface Ended extends JobExecution {
  ms: number;
}

export async function agentUpdateScenario(io: ScenarioIo) {
  const dir = mkdtempSync(join(tmpdir(), 'iot-runbooks-demo-'));
  const cleanUp: (() => Promise<unknown>)[] = [];
  try {
    const stage = await setTheStage(io, dir, cleanUp);
    const act = await play(stage);
    const result = { scenario: 'agent-update', ...act };
    summarise(result, io);
    if (io.stayUp) await stayUp(io, 'Everything stays up until Ctrl-C.');
    return result;
  } finally {
    io.write('Stopping.');
    for (const stop of cleanUp.reverse()) await stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function setTheStage(
  io: ScenarioIo,
  dir: string,
  cleanUp: (() => Promise<unknown>)[],
): Promise<Stage> {
  const timeline = createTimeline((line) => io.write(line));
  const tell = (line: string): void => timeline.tell(line);
  tell('starting the AWS emulator, making a signed update repository');
  const [emulator, publisher] = await Promise.all([
    startEmulator({ dir, log: tell }),
    createPublisher(dir, HARDWARE, tell),
  ]);
  cleanUp.push(() => emulator.stop());
  const server = await serveRepository(publisher.publicDir);
  cleanUp.push(() => server.stop());
  const { region, accountId } = emulator;
  const aws = createAwsClients(emulator);
  const place = placeOf(region, accountId);
  const spec = { place, sites: ['oslo'], hardware: HARDWARE, webhookUrl: null };
  await applyProvisioning(awsResources(aws, spec));
  const { metadataUrl, targetsUrl } = server;
  const updates = {
    metadataUrl,
    targetsUrl,
    rootFile: publisher.rootFile,
    confirmMs: CONFIRM_MS,
  };
  const fleet = await startFleet({
    emulator,
    dir,
    devices: DEVICES,
    telemetryIntervalMs: 500,
    updates,
  });
  cleanUp.push(() => fleet.stop());
  const witness = await startWitness(aws, emulator);
  cleanUp.push(() => witness.stop());
  const until = createUntil(io.signal);
  await until('telemetry of all devices', () =>
    DEVICES.every(({ thing }) => witness.of(thing).firmware === '1.0.0'),
  );
  tell(`${DEVICES.length} agents run firmware 1.0.0 from slot a`);
  return { aws, accountId, region, publisher, witness, timeline, until };
}

async function play(stage: Stage) {
  const { publisher, timeline, witness } = stage;
  const good = await publisher.ship('1.1.0', await nodeFirmware('1.1.0', 'good'));
  const update = await install(stage, 'good', good);
  await runs(stage, '1.1.0');
  timeline.tell(`${THING} runs 1.1.0, as its telemetry says`);

  const bad = await publisher.ship('1.2.0', await nodeFirmware('1.2.0', 'bad'));
  const rollback = await install(stage, 'bad', bad);
  await runs(stage, '1.1.0');
  timeline.tell(`${THING} is back on 1.1.0 by itself`);

  const older = await install(stage, 'older', good.replace('1.1.0', '0.9.0'));
  const next = await publisher.ship('1.3.0', await nodeFirmware('1.3.0', 'good'));
  await swapBytes(publisher.publicDir, '1.3.0');
  timeline.tell('whoever owns the bucket swaps the bytes of 1.3.0');
  const tampered = await install(stage, 'tampered', next);
  await runs(stage, '1.1.0');

  const others = DEVICES.filter(({ thing }) => thing !== THING);
  const act = {
    updated: update.status === 'SUCCEEDED',
    updateMs: update.ms,
    rolledBack: rollback.status === 'FAILED',
    rollbackMs: rollback.ms,
    cause: rollback.statusDetails['cause'] ?? rollback.statusDetails['reason'] ?? '',
    unknownRefused: older.status === 'REJECTED',
    tamperedRefused: tampered.status === 'REJECTED',
    othersUntouched: others.every(({ thing }) => witness.of(thing).firmware === '1.0.0'),
  };
  const { updated, rolledBack, unknownRefused, tamperedRefused, othersUntouched } = act;
  const ok = updated && rolledBack && unknownRefused && tamperedRefused && othersUntouched;
  return { ok, devices: DEVICES.length, ...act };
}

/** Sends the job and tells each step that the agent reports. */
async function install(stage: Stage, name: string, target: string): Promise<Ended> {
  const { aws, accountId, region, timeline, until } = stage;
  const jobs = createIotJobs(aws.iot);
  const thingArn = `arn:aws:iot:${region}:${accountId}:thing/${THING}`;
  const document = { version: 1, operation: 'install', requestedBy: 'demo', target };
  const begun = Date.now();
  const jobId = `install-${name}`;
  await jobs.create(jobId, thingArn, document);
  timeline.tell(`job ${jobId}: ${THING} is asked to install ${target}`);
  let ended: JobExecution = { status: 'QUEUED', statusDetails: {} };
  let step = '';
  await until(`the end of ${jobId}`, async () => {
    ended = (await jobs.execution(jobId, THING)) ?? ended;
    const now = ended.statusDetails['step'] ?? '';
    if (now !== step && now !== '') timeline.tell(`  ${now}`);
    step = now;
    return isTerminal(ended.status);
  });
  const details = Object.entries(ended.statusDetails).map(([key, value]) => `${key}: ${value}`);
  timeline.tell(`  ${ended.status}: ${details.join(', ')}`);
  return { ...ended, ms: Date.now() - begun };
}

const runs = ({ witness, until }: Stage, version: string): Promise<void> => {
  const from = Date.now();
  return until(
    `telemetry of ${version}`,
    () => witness.since(THING, from) > 0 && witness.of(THING).firmware === version,
  );
};

async function swapBytes(publicDir: string, version: string): Promise<void> {
  const folder = join(publicDir, 'targets', 'pump');
  const file = (await readdir(folder)).find((each) => each.endsWith(`.${version}.tar`));
  if (file === undefined) throw new Error(`no artifact of ${version} is published`);
  const bytes = await readFile(join(folder, file));
  await writeFile(join(folder, file), bytes.fill(0x41, bytes.length - 100));
}

function summarise(result: Awaited<ReturnType<typeof play>>, io: ScenarioIo): void {
  io.write('');
  io.write(
    result.ok
      ? `It works: a signed update took ${result.updateMs} ms with its check of ${CONFIRM_MS} ms; a bad one rolled itself back (${result.cause}); what was not signed never ran.`
      : `It does not work: ${JSON.stringify(result)}`,
  );
}
