import { afterEach, describe, expect, it } from '@jest/globals';
import { CreateRoleCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { CreateBucketCommand, PutBucketPolicyCommand } from '@aws-sdk/client-s3';
import { CreateJobCommand } from '@aws-sdk/client-iot';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import { clientsOf, connect, enrol, START_TIMEOUT_MS } from './support';

const BUCKET = 'intake';
let emulator: Emulator | undefined;
afterEach(() => emulator?.stop());

const document = (...Statement: object[]): string =>
  JSON.stringify({ Version: '2012-10-17', Statement });

/** A URL by which a device may put one object, into a bucket that demands conditional writes. */
async function uploadUrl(on: Emulator): Promise<string> {
  const { iam, s3, iot } = clientsOf(on);
  const Resource = `arn:aws:s3:::${BUCKET}/*`;
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
  const unconditional = { Null: { 's3:if-none-match': 'true' } };
  await s3.send(
    new PutBucketPolicyCommand({
      Bucket: BUCKET,
      Policy: document({
        ...{ Effect: 'Deny', Principal: '*', Action: 's3:PutObject', Resource },
        Condition: unconditional,
      }),
    }),
  );
  const Principal = { Service: 'iot.amazonaws.com' };
  const role = await iam.send(
    new CreateRoleCommand({
      RoleName: 'upload',
      AssumeRolePolicyDocument: document({ Effect: 'Allow', Principal, Action: 'sts:AssumeRole' }),
    }),
  );
  await iam.send(
    new PutRolePolicyCommand({
      ...{ RoleName: 'upload', PolicyName: 'put' },
      PolicyDocument: document({ Effect: 'Allow', Action: 's3:PutObject', Resource }),
    }),
  );
  const client = await connect(on, await enrol(iot, 'pump-1'));
  const place = `https://s3.eu-west-1.amazonaws.com/${BUCKET}/\${thingName}.gz`;
  await iot.send(
    new CreateJobCommand({
      ...{ jobId: 'collect', targets: [`arn:aws:iot:${on.region}:${on.accountId}:thing/pump-1`] },
      document: JSON.stringify({ url: `\${aws:iot:s3-presigned-url-upload:${place}}` }),
      presignedUrlConfig: { roleArn: role.Role?.Arn ?? '', expiresInSec: 60 },
    }),
  );
  const topic = '$aws/things/pump-1/jobs/collect/get';
  await client.subscribeAsync(`${topic}/accepted`, { qos: 1 });
  const answer = new Promise<string>((resolve) => {
    client.once('message', (_, payload) => resolve(payload.toString()));
  });
  await client.publishAsync(topic, '{}', { qos: 1 });
  const { execution } = JSON.parse(await answer) as { execution: { jobDocument: { url: string } } };
  await client.endAsync(true);
  return execution.jobDocument.url;
}

const put = async (url: string, headers: Record<string, string> = {}): Promise<number> =>
  (await fetch(url, { method: 'PUT', body: 'bundle', headers })).status;

it(
  'a bucket that demands conditional writes takes an object once, and never over another',
  async () => {
    emulator = await startEmulator();
    const url = await uploadUrl(emulator);
    expect(await put(url)).toBe(403);
    expect(await put(url, { 'if-none-match': '*' })).toBe(200);
    expect(await put(url, { 'if-none-match': '*' })).toBe(412);
    expect(await put(url)).toBe(403);
  },
  START_TIMEOUT_MS,
);

describe('conditional_writes is still needed: the stock emulator', () => {
  it(
    'refuses the conditional write, too',
    async () => {
      emulator = await startEmulator({ withoutPatches: ['conditional_writes'] });
      expect(await put(await uploadUrl(emulator), { 'if-none-match': '*' })).toBe(403);
    },
    START_TIMEOUT_MS,
  );
});
