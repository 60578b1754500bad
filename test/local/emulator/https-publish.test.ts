import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import {
  AddThingToThingGroupCommand,
  AttachPolicyCommand,
  CreatePolicyCommand,
  CreateThingGroupCommand,
  DetachPolicyCommand,
  SetV2LoggingLevelCommand,
  SetV2LoggingOptionsCommand,
  UpdateCertificateCommand,
} from '@aws-sdk/client-iot';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import {
  DENY_TELEMETRY,
  START_TIMEOUT_MS,
  clientsOf,
  connect,
  enrol,
  eventually,
  policyDocument,
  statement,
  type Device,
} from './support';

interface Answer {
  status: number;
  error: string | undefined;
  body: string;
}

function post(
  emulator: Emulator,
  device: Device | null,
  path: string,
  body = '{"by":"https"}',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: emulator.https.host,
        port: emulator.https.port,
        method: 'POST',
        path,
        ca: readFileSync(emulator.mqtt.caFile),
        ...(device !== null && { cert: device.certificatePem, key: device.privateKey }),
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            error: response.headers['x-amzn-errortype'] as string | undefined,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    call.on('error', reject);
    call.end(body);
  });
}

const FORBIDDEN = { status: 403, error: 'ForbiddenException' };

describe('publishing over HTTPS with the device certificate', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator();
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  it('reaches subscribers, with a topic encoded in the path', async () => {
    const { iot } = clientsOf(emulator);
    const listener = await connect(emulator, await enrol(iot, 'listener'));
    const received: string[] = [];
    listener.on('message', (topic, payload) => received.push(`${topic} ${payload.toString()}`));
    await listener.subscribeAsync('dt/#');
    const device = await enrol(iot, 'poster');
    expect((await post(emulator, device, '/topics/dt%2Fa/telemetry?qos=1')).status).toBe(200);
    await eventually(() => Promise.resolve(received.length > 0 ? true : undefined));
    expect(received).toEqual(['dt/a/telemetry {"by":"https"}']);
    await listener.endAsync(true);
  });

  it('is refused where the policy does not allow, or denies', async () => {
    const { iot } = clientsOf(emulator);
    const open = policyDocument(statement('Allow', 'iot:Publish', 'arn:aws:iot:*:*:topic/open'));
    const device = await enrol(iot, 'limited', open);
    expect((await post(emulator, device, '/topics/open')).status).toBe(200);
    expect(await post(emulator, device, '/topics/closed')).toMatchObject(FORBIDDEN);
  });

  it('follows a Deny on the certificate, live, and not one on the group', async () => {
    const { iot } = clientsOf(emulator);
    const device = await enrol(iot, 'contained');
    const path = '/topics/dt/x?qos=1';
    await iot.send(new CreatePolicyCommand({ policyName: 'deny', policyDocument: DENY_TELEMETRY }));
    const group = await iot.send(new CreateThingGroupCommand({ thingGroupName: 'denied' }));
    await iot.send(new AttachPolicyCommand({ policyName: 'deny', target: group.thingGroupArn }));
    await iot.send(
      new AddThingToThingGroupCommand({ thingName: 'contained', thingGroupName: 'denied' }),
    );
    expect((await post(emulator, device, path)).status).toBe(200);
    const attachment = { policyName: 'deny', target: device.certificateArn };
    await iot.send(new AttachPolicyCommand(attachment));
    expect(await post(emulator, device, path)).toMatchObject(FORBIDDEN);
    await iot.send(new DetachPolicyCommand(attachment));
    expect((await post(emulator, device, path)).status).toBe(200);
  });

  it.each([
    ['IsAttached', 'topic/dt/*', { Bool: { 'iot:Connection.Thing.IsAttached': 'true' } }],
    ['the thing name', 'topic/dt/${iot:Connection.Thing.ThingName}/*', undefined],
    ['the client id', 'topic/dt/${iot:ClientId}/*', undefined],
  ])('does not meet an Allow that needs %s', async (what, resource, condition) => {
    const thing = `needs-${what.replaceAll(' ', '-')}`;
    const allow = statement('Allow', 'iot:Publish', `arn:aws:iot:*:*:${resource}`, condition);
    const { iot } = clientsOf(emulator);
    const device = await enrol(
      iot,
      thing,
      policyDocument(allow, statement('Allow', 'iot:Connect', '*')),
    );
    const overMqtt = await connect(emulator, device);
    await overMqtt.publishAsync(`dt/${thing}/telemetry`, '{}', { qos: 1 });
    await overMqtt.endAsync(true);
    expect(await post(emulator, device, `/topics/dt/${thing}/telemetry`)).toMatchObject(FORBIDDEN);
  });

  it('is refused with a certificate that is INACTIVE, and impossible without one', async () => {
    const { iot } = clientsOf(emulator);
    const device = await enrol(iot, 'deactivated');
    expect((await post(emulator, device, '/topics/a')).status).toBe(200);
    await iot.send(
      new UpdateCertificateCommand({ certificateId: device.certificateId, newStatus: 'INACTIVE' }),
    );
    expect(await post(emulator, device, '/topics/a')).toMatchObject(FORBIDDEN);
    await expect(post(emulator, null, '/topics/a')).rejects.toThrow();
  });

  it('is logged with its principal and without a client id', async () => {
    const { iot, logs } = clientsOf(emulator);
    const device = await enrol(iot, 'logged', policyDocument(statement('Deny', 'iot:*', '*')));
    await iot.send(new SetV2LoggingOptionsCommand({ defaultLogLevel: 'DISABLED' }));
    await iot.send(
      new SetV2LoggingLevelCommand({
        logTarget: { targetType: 'PRINCIPAL_ID', targetName: device.certificateId },
        logLevel: 'ERROR',
      }),
    );
    await post(emulator, device, '/topics/secret');
    const found = await logs.send(
      new FilterLogEventsCommand({ logGroupName: 'AWSIotLogsV2', filterPattern: '"secret"' }),
    );
    expect(found.events?.map(({ message }) => JSON.parse(message ?? '') as unknown)).toEqual([
      expect.objectContaining({
        eventType: 'Publish-In',
        status: 'Failure',
        protocol: 'HTTP',
        principalId: device.certificateId,
        reason: 'AUTHORIZATION_FAILURE',
      }),
    ]);
  });

  it.each([
    ['/topics/a?qos=2', 400],
    ['/topics/a%23', 400],
    ['/topics/', 400],
    ['/things/x/shadow', 404],
  ])('answers %s with %s', async (path, status) => {
    const device = await enrol(clientsOf(emulator).iot, `odd-${encodeURIComponent(path).length}`);
    expect((await post(emulator, device, path)).status).toBe(status);
  });

  it('refuses a body beyond 128 KB', async () => {
    const device = await enrol(clientsOf(emulator).iot, 'large');
    const limit = 128 * 1024;
    expect((await post(emulator, device, '/topics/a', 'x'.repeat(limit))).status).toBe(200);
    expect((await post(emulator, device, '/topics/a', 'x'.repeat(limit + 1))).status).toBe(413);
  });
});

describe('https_publish is still needed: the stock emulator', () => {
  it(
    'has no listener for devices',
    async () => {
      const emulator = await startEmulator({ withoutPatches: ['https_publish'] });
      const device = await enrol(clientsOf(emulator).iot, 'any');
      await expect(post(emulator, device, '/topics/a')).rejects.toThrow('ECONNREFUSED');
      await emulator.stop();
    },
    START_TIMEOUT_MS,
  );
});
