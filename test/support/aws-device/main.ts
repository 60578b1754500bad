import { iotjobs, iot, mqtt5 } from 'aws-iot-device-sdk-v2';
import { z } from 'zod';

/**
 * A device with AWS's own client, as the Jobs sample of the SDK has it: take the next pending execution, which
 * moves it to IN_PROGRESS, and report how it ended. Ends after one execution.
 * https://github.com/aws/aws-iot-device-sdk-js-v2/tree/main/samples/node/jobs
 */
const settingsSchema = z.strictObject({
  thing: z.string(),
  host: z.string(),
  port: z.int(),
  caFile: z.string(),
  certFile: z.string(),
  keyFile: z.string(),
  status: z.enum(iotjobs.model.JobStatus),
});
type Settings = z.infer<typeof settingsSchema>;

async function main(): Promise<void> {
  const settings = settingsSchema.parse(JSON.parse(process.argv[2] ?? '{}'));
  const client = createClient(settings);
  const connected = new Promise<void>((resolve, reject) => {
    client.once('connectionSuccess', () => resolve());
    client.once('connectionFailure', () => reject(new Error('the broker takes no connection')));
  });
  client.start();
  await connected;
  const jobs = iotjobs.IotJobsClientv2.newFromMqtt5(client, {
    maxRequestResponseSubscriptions: 4,
    maxStreamingSubscriptions: 2,
    operationTimeoutInSeconds: 10,
  });
  await carryOutNext(jobs, settings);
  jobs.close();
  const stopped = new Promise<void>((resolve) => client.once('stopped', () => resolve()));
  client.stop();
  await stopped;
  client.close();
}

function createClient({ thing, host, port, caFile, certFile, keyFile }: Settings) {
  const builder = iot.AwsIotMqtt5ClientConfigBuilder.newDirectMqttBuilderWithMtlsFromPath(
    host,
    certFile,
    keyFile,
  );
  builder.withCertificateAuthorityFromPath(undefined, caFile);
  builder.withPort(port);
  builder.withConnectProperties({ clientId: thing, keepAliveIntervalSeconds: 30 });
  return new mqtt5.Mqtt5Client(builder.build());
}

async function carryOutNext(jobs: iotjobs.IotJobsClientv2, settings: Settings): Promise<void> {
  const thingName = settings.thing;
  const { execution } = await jobs.startNextPendingJobExecution({ thingName });
  if (execution?.jobId === undefined) throw new Error('there is no pending job');
  const { jobId, versionNumber, executionNumber } = execution;
  await jobs.updateJobExecution({
    thingName,
    jobId,
    status: settings.status,
    statusDetails: { reason: 'as the sample was told' },
    ...(versionNumber !== undefined && { expectedVersion: versionNumber }),
    ...(executionNumber !== undefined && { executionNumber }),
  });
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
  },
);
