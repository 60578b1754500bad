import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CreateRoleCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { CreateJobCommand } from '@aws-sdk/client-iot';
import { CreateBucketCommand, GetObjectCommand } from '@aws-sdk/client-s3';
import type { MqttClient } from 'mqtt';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import { START_TIMEOUT_MS, clientsOf, connect, enrol } from './support';

const BUCKET = 'evidence';
const KEY = 'logs/${thingName}/${jobId}/${executionNumber}.gz';
const placeholder = (key = KEY, bucket = BUCKET): string =>
  '${aws:iot:s3-presigned-url-upload:https://s3.eu-west-1.amazonaws.com/' + `${bucket}/${key}}`;

/** A bucket, and a role that AWS IoT may take to put objects there. */
async function prepare(emulator: Emulator): Promise<string> {
  const { iam, s3 } = clientsOf(emulator);
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
  const role = await iam.send(
    new CreateRoleCommand({
      RoleName: 'upload',
      AssumeRolePolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Principal: { Service: 'iot.amazonaws.com' },
            Action: 'sts:AssumeRole',
          },
        ],
      }),
    }),
  );
  await iam.send(
    new PutRolePolicyCommand({
      RoleName: 'upload',
      PolicyName: 'put',
      PolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          { Effect: 'Allow', Action: 's3:PutObject', Resource: `arn:aws:s3:::${BUCKET}/logs/*` },
        ],
      }),
    }),
  );
  return role.Role?.Arn ?? '';
}

async function createJob(
  emulator: Emulator,
  jobId: string,
  thing: string,
  roleArn: string | undefined,
  uploadUrl = placeholder(),
): Promise<void> {
  await clientsOf(emulator).iot.send(
    new CreateJobCommand({
      jobId,
      targets: [`arn:aws:iot:${emulator.region}:${emulator.accountId}:thing/${thing}`],
      document: JSON.stringify({ uploadUrl }),
      ...(roleArn !== undefined && { presignedUrlConfig: { roleArn, expiresInSec: 60 } }),
    }),
  );
}

/** The upload URL of the document that the device is given. */
async function ask(client: MqttClient, thing: string, call: string): Promise<string> {
  const topic = `$aws/things/${thing}/jobs/${call}`;
  await client.subscribeAsync([`${topic}/accepted`, `${topic}/rejected`], { qos: 1 });
  const answer = new Promise<string>((resolve) => {
    client.once('message', (_, payload) => resolve(payload.toString()));
  });
  await client.publishAsync(topic, '{}', { qos: 1 });
  const body = JSON.parse(await answer) as { execution: { jobDocument: { uploadUrl: string } } };
  return body.execution.jobDocument.uploadUrl;
}

const put = (url: string): Promise<Response> => fetch(url, { method: 'PUT', body: 'bundle' });

/** A URL that differs in one of its parameters. */
function changed(url: string, name: string, value: string): string {
  const other = new URL(url);
  other.searchParams.set(name, value);
  return other.href;
}

describe('the placeholder for an upload in a job document', () => {
  let emulator: Emulator;
  let roleArn: string;
  beforeAll(async () => {
    emulator = await startEmulator();
    roleArn = await prepare(emulator);
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  it.each(['collect-1/get', '$next/get', 'start-next'])(
    'becomes a URL for this thing, job and execution when it is fetched by %s',
    async (call) => {
      const thing = `pump-${call.length}`;
      const client = await connect(emulator, await enrol(clientsOf(emulator).iot, thing));
      const jobId = call.endsWith('1/get') ? 'collect-1' : `next-${call.length}`;
      await createJob(emulator, jobId, thing, roleArn);
      const url = await ask(client, thing, call);
      expect(new URL(url).searchParams.get('X-Amz-Expires')).toBe('60');
      expect((await put(url)).status).toBe(200);
      const { s3 } = clientsOf(emulator);
      const Key = `logs/${thing}/${jobId}/1.gz`;
      const stored = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key }));
      expect(await stored.Body?.transformToString()).toBe('bundle');
      await client.endAsync(true);
    },
  );

  it('gives a URL that puts this one object for its time and nothing else', async () => {
    const client = await connect(emulator, await enrol(clientsOf(emulator).iot, 'strict'));
    await createJob(emulator, 'strict', 'strict', roleArn);
    const url = await ask(client, 'strict', 'strict/get');
    const refused = [
      changed(url, 'X-Amz-Expires', '3600'),
      changed(url, 'X-Amz-Date', '20200101T000000Z'),
      changed(url, 'X-Amz-Signature', '0'.repeat(64)),
      url.replace('/strict/1.gz', '/other/1.gz'),
    ];
    const statuses = await Promise.all(refused.map(async (other) => (await put(other)).status));
    expect(statuses).toEqual([403, 403, 403, 403]);
    expect((await fetch(url)).status).toBe(403);
    expect((await put(url)).status).toBe(200);
    await client.endAsync(true);
  });

  it('is bound by what its role may do', async () => {
    const client = await connect(emulator, await enrol(clientsOf(emulator).iot, 'beyond'));
    await createJob(emulator, 'beyond', 'beyond', roleArn, placeholder('elsewhere/x'));
    expect((await put(await ask(client, 'beyond', 'beyond/get'))).status).toBe(403);
    await client.endAsync(true);
  });

  it.each([
    ['no role', placeholder(), false],
    ['a keyword in the bucket', placeholder('x', '${thingName}'), true],
    ['three of a keyword', placeholder('${jobId}${jobId}${jobId}'), true],
    ['another keyword', placeholder('${certificate}'), true],
    ['no key', placeholder(''), true],
  ])('is refused with %s', async (what, uploadUrl, withRole) => {
    const jobId = what.replaceAll(' ', '-');
    const thing = `refused-${jobId}`;
    await enrol(clientsOf(emulator).iot, thing);
    const made = createJob(emulator, jobId, thing, withRole ? roleArn : undefined, uploadUrl);
    await expect(made).rejects.toMatchObject({ name: 'InvalidRequestException' });
  });
});

describe('presigned_upload is still needed: the stock emulator', () => {
  it(
    'hands the placeholder out as it is',
    async () => {
      const emulator = await startEmulator({ withoutPatches: ['presigned_upload'] });
      const roleArn = await prepare(emulator);
      const client = await connect(emulator, await enrol(clientsOf(emulator).iot, 'any'));
      await createJob(emulator, 'any', 'any', roleArn);
      expect(await ask(client, 'any', 'any/get')).toBe(placeholder());
      await client.endAsync(true);
      await emulator.stop();
    },
    START_TIMEOUT_MS,
  );
});
