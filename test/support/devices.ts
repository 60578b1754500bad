import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AttachPolicyCommand,
  AttachThingPrincipalCommand,
  CreateJobCommand,
  CreateKeysAndCertificateCommand,
  CreatePolicyCommand,
  CreateThingCommand,
  DescribeJobExecutionCommand,
  DetachPolicyCommand,
  type IoTClient,
  type JobExecution,
} from '@aws-sdk/client-iot';
import { createAwsClients, type AwsClients } from '../../activities/aws/clients';
import type { Emulator } from '../../local/stack/emulator';

export interface TestCertificate {
  certificateArn: string;
  certFile: string;
  keyFile: string;
}

export interface TestDevice extends TestCertificate {
  thing: string;
  /** An empty folder of its own. */
  dir: string;
}

const DEVICE_POLICY = 'test-device';
const DENY_POLICY = 'test-deny';

/** Clients for the emulator, with the two policies that the agent's tests need. */
export async function prepareAccount(emulator: Emulator): Promise<AwsClients> {
  const { endpoint, region, credentials } = emulator;
  const clients = createAwsClients({ endpoint, region, credentials });
  await clients.iot.send(
    new CreatePolicyCommand({ policyName: DEVICE_POLICY, policyDocument: devicePolicy() }),
  );
  await clients.iot.send(
    new CreatePolicyCommand({ policyName: DENY_POLICY, policyDocument: denyPolicy() }),
  );
  return clients;
}

/** Certificates are slow to make (16 a second), so many devices of one test may share one. */
export async function createCertificate(iot: IoTClient): Promise<TestCertificate> {
  const made = await iot.send(new CreateKeysAndCertificateCommand({ setAsActive: true }));
  const certificateArn = required(made.certificateArn);
  const dir = mkdtempSync(join(tmpdir(), 'device-certificate-'));
  const certFile = join(dir, 'certificate.pem');
  const keyFile = join(dir, 'private.key');
  writeFileSync(certFile, required(made.certificatePem));
  writeFileSync(keyFile, required(made.keyPair?.PrivateKey), { mode: 0o600 });
  await iot.send(new AttachPolicyCommand({ policyName: DEVICE_POLICY, target: certificateArn }));
  return { certificateArn, certFile, keyFile };
}

export async function createDevice(
  iot: IoTClient,
  thing: string,
  certificate?: TestCertificate,
): Promise<TestDevice> {
  const own = certificate ?? (await createCertificate(iot));
  await iot.send(new CreateThingCommand({ thingName: thing }));
  await iot.send(
    new AttachThingPrincipalCommand({ thingName: thing, principal: own.certificateArn }),
  );
  return { ...own, thing, dir: mkdtempSync(join(tmpdir(), `device-${thing}-`)) };
}

export async function denyTelemetry(iot: IoTClient, device: TestDevice): Promise<void> {
  const target = device.certificateArn;
  await iot.send(new AttachPolicyCommand({ policyName: DENY_POLICY, target }));
}

export async function allowTelemetry(iot: IoTClient, device: TestDevice): Promise<void> {
  const target = device.certificateArn;
  await iot.send(new DetachPolicyCommand({ policyName: DENY_POLICY, target }));
}

/** Any document: hostile ones are what some tests are about. */
export async function createJob(
  emulator: Emulator,
  iot: IoTClient,
  job: { jobId: string; thing: string; document: string },
): Promise<void> {
  const { region, accountId } = emulator;
  await iot.send(
    new CreateJobCommand({
      jobId: job.jobId,
      targets: [`arn:aws:iot:${region}:${accountId}:thing/${job.thing}`],
      document: job.document,
    }),
  );
}

export async function readExecution(
  iot: IoTClient,
  thing: string,
  jobId: string,
): Promise<JobExecution> {
  const answer = await iot.send(new DescribeJobExecutionCommand({ jobId, thingName: thing }));
  return required(answer.execution);
}

/** Asks again every 20 ms until the answer fits; the error tells the last answer. */
export async function eventually<T>(
  read: () => Promise<T> | T,
  fits: (value: T) => boolean,
  withinMs = 15_000,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const value = await read();
    if (fits(value)) return value;
    if (Date.now() > deadline) {
      throw new Error(`not within ${withinMs} ms; last seen: ${JSON.stringify(value)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the emulator left a field out');
  return value;
}

const THING = '${iot:Connection.Thing.ThingName}';

function devicePolicy(): string {
  const topics = [`dt/${THING}/*`, `$aws/things/${THING}/*`];
  const filters = [`cmd/${THING}/*`, `$aws/things/${THING}/*`];
  return policy([
    ['Allow', 'iot:Connect', [`client/${THING}`]],
    ['Allow', 'iot:Publish', topics.map((topic) => `topic/${topic}`)],
    ['Allow', 'iot:Subscribe', filters.map((filter) => `topicfilter/${filter}`)],
    ['Allow', 'iot:Receive', filters.map((filter) => `topic/${filter}`)],
  ]);
}

/** As quarantine does: everything but the device's own Jobs topics. */
function denyPolicy(): string {
  return policy([
    ['Deny', 'iot:Publish', ['topic/dt/*', 'topic/$aws/things/*/shadow/*']],
    ['Deny', 'iot:Subscribe', ['topicfilter/cmd/*', 'topicfilter/$aws/things/*/shadow/*']],
  ]);
}

function policy(statements: ['Allow' | 'Deny', string, string[]][]): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: statements.map(([effect, action, resources]) => ({
      Effect: effect,
      Action: action,
      Resource: resources.map((resource) => `arn:aws:iot:*:*:${resource}`),
    })),
  });
}
