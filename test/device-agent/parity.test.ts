import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  CreateJobCommand,
  DescribeJobCommand,
  UpdateEventConfigurationsCommand,
  type JobExecution,
} from '@aws-sdk/client-iot';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { AwsClients } from '../../activities/aws/clients';
import type { Agent } from '../../device-agent/agent';
import { startEmulator, type Emulator } from '../../local/stack/emulator';
import {
  createCertificate,
  createDevice,
  eventually,
  prepareAccount,
  readExecution,
  type TestDevice,
} from '../support/devices';
import { startAgent, type Overrides } from './agents';
import { Watcher } from './watcher';

const AWS_DEVICE = join(__dirname, '..', 'support', 'aws-device', 'main.ts');
const PENDING = ['QUEUED', 'IN_PROGRESS'];
let emulator: Emulator;
let clients: AwsClients;
let watcher: Watcher;
let running: Agent[] = [];

beforeAll(async () => {
  emulator = await startEmulator();
  clients = await prepareAccount(emulator);
  const eventConfigurations = { JOB: { Enabled: true }, JOB_EXECUTION: { Enabled: true } };
  await clients.iot.send(new UpdateEventConfigurationsCommand({ eventConfigurations }));
  const certificate = await createCertificate(clients.iot);
  watcher = await Watcher.open(emulator, clients.iot, certificate, ['$aws/events/#']);
}, 60_000);

afterEach(async () => {
  await Promise.all(running.map((agent) => agent.stop()));
  running = [];
});

afterAll(async () => {
  await watcher.close();
  await emulator.stop();
});

const ended = (device: TestDevice, jobId: string): Promise<JobExecution> =>
  eventually(
    () => readExecution(clients.iot, device.thing, jobId),
    ({ status }) => !PENDING.includes(status ?? ''),
  );

/**
 * All that the service keeps of an execution and tells of it, but for times, names, and the values of the details, of which
 * AWS's sample gives none of its own. `versionNumber` counts the changes of the execution, so with `started` it says
 * which states were passed: 3 is QUEUED, IN_PROGRESS, end.
 */
function historyOf(device: TestDevice, execution: JobExecution) {
  const { jobId, status, versionNumber, executionNumber, forceCanceled } = execution;
  const events = watcher.seen
    .filter(({ topic }) => topic.startsWith(`$aws/events/jobExecution/${jobId}/`))
    .filter(({ body }) => String(body['thingArn']).endsWith(`/${device.thing}`));
  return {
    execution: {
      ...{ status, versionNumber, executionNumber, forceCanceled },
      members: Object.keys(execution).sort(),
      queued: execution.queuedAt !== undefined,
      started: execution.startedAt !== undefined,
      detailsAreText: Object.values(execution.statusDetails?.detailsMap ?? {}).every(
        (value) => typeof value === 'string',
      ),
    },
    events: events.map(({ topic, body }) => ({
      topic,
      members: Object.keys(body).sort(),
      status: body['status'],
      executionNumber: body['executionNumber'],
    })),
  };
}

/** Gives one job to both and returns what each leaves behind. */
async function giveToBoth(jobId: string, document: string, overrides: Overrides = {}) {
  const [ours, theirs] = await Promise.all(
    ['ours', 'theirs'].map((whose) => createDevice(clients.iot, `${jobId}-${whose}`)),
  );
  if (ours === undefined || theirs === undefined) throw new Error('no devices');
  const arn = (thing: string): string =>
    `arn:aws:iot:${emulator.region}:${emulator.accountId}:thing/${thing}`;
  const targets = [arn(ours.thing), arn(theirs.thing)];
  await clients.iot.send(new CreateJobCommand({ jobId, targets, document }));
  const { agent } = await startAgent(emulator, ours, overrides);
  running.push(agent);
  const our = await ended(ours, jobId);
  await runAwsDevice(theirs, String(our.status));
  const their = await ended(theirs, jobId);
  const events = () => [historyOf(ours, our).events, historyOf(theirs, their).events];
  await eventually(events, (both) => both.every((seen) => seen.length > 0));
  return { ours: historyOf(ours, our), theirs: historyOf(theirs, their) };
}

async function runAwsDevice(device: TestDevice, status: string): Promise<void> {
  const { thing, certFile, keyFile } = device;
  const { host, port, caFile } = emulator.mqtt;
  const settings = JSON.stringify({ thing, host, port, caFile, certFile, keyFile, status });
  const args = ['--import', 'tsx', AWS_DEVICE, settings];
  await promisify(execFile)(process.execPath, args, { timeout: 30_000 });
}

const job = (rest: object): string =>
  JSON.stringify({ version: 1, requestedBy: 'test/parity', ...rest });

describe('the same job, given to the agent and to AWS’s own device client,', () => {
  it.each([
    ['SUCCEEDED', job({ operation: 'diagnostics', verb: 'status' }), {}],
    [
      'FAILED',
      job({ operation: 'resume' }),
      { application: { command: '/no/such/program' } } satisfies Overrides,
    ],
    ['REJECTED', job({ operation: 'shell', command: 'id' }), {}],
  ])(
    'leaves the same execution history where it ends %s',
    async (status, document, overrides) => {
      const jobId = `parity-${status.toLowerCase()}`;
      const { ours, theirs } = await giveToBoth(jobId, document, overrides);
      expect(ours).toEqual(theirs);
      expect(ours.execution).toMatchObject({ status, versionNumber: 3, started: true });
      const { job: described } = await clients.iot.send(new DescribeJobCommand({ jobId }));
      expect(described?.status).toBe('COMPLETED');
      expect(described?.jobProcessDetails).toMatchObject({
        [`numberOf${status.charAt(0)}${status.slice(1).toLowerCase()}Things`]: 2,
      });
    },
    60_000,
  );
});
