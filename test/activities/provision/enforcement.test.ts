import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ScanCommand } from '@aws-sdk/client-dynamodb';
import { AddThingToThingGroupCommand, AttachPolicyCommand } from '@aws-sdk/client-iot';
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import mqtt, { type MqttClient } from 'mqtt';
import { createAwsClients, type AwsClients } from '../../../activities/aws/clients';
import { awsResources } from '../../../activities/aws/provision';
import { createEnrolmentApi } from '../../../activities/aws/provision-device';
import { queueUrl } from '../../../activities/aws/provision-messaging';
import { enrolDevice, EnrolmentError, type EnrolInput } from '../../../activities/provision/enrol';
import { applyProvisioning } from '../../../activities/provision/provision';
import { jobTopics, shadowTopics, telemetryTopic } from '../../../domain/device-protocol/topics';
import { NAMES } from '../../../domain/names';
import { placeOf } from '../../../domain/policy/place';
import { deviceKey } from '../../../local/stack/device-keys';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';

let emulator: Emulator;
let clients: AwsClients;
const open: MqttClient[] = [];

beforeAll(async () => {
  emulator = await startEmulator();
  clients = createAwsClients(emulator);
  const place = placeOf(emulator.region, emulator.accountId);
  const spec = { place, sites: ['north'], hardware: ['v1', 'v2'], webhookUrl: null };
  await applyProvisioning(awsResources(clients, spec));
}, 30_000);
afterAll(async () => {
  await Promise.all(open.map((client) => client.endAsync(true)));
  await emulator.stop();
});

const api = () => createEnrolmentApi(clients, placeOf(emulator.region, emulator.accountId));
async function enrolled(thing: string, changes: Partial<EnrolInput> = {}) {
  const { csrPem, keyPem } = await deviceKey(thing);
  const input = { thing, site: 'north', hardware: 'v1', credential: { csrPem }, ...changes };
  return { keyPem, ...(await enrolDevice(api(), input)) };
}

async function connect(device: { keyPem: string; certificatePem: string }, clientId: string) {
  const client = await mqtt.connectAsync({
    protocol: 'mqtts',
    host: emulator.mqtt.host,
    port: emulator.mqtt.port,
    ca: readFileSync(emulator.mqtt.caFile),
    cert: device.certificatePem,
    key: device.keyPem,
    clientId,
    protocolVersion: 5,
    reconnectPeriod: 0,
  });
  client.on('error', () => undefined);
  open.push(client);
  return client;
}

const outcome = (act: Promise<unknown>): Promise<'allowed' | 'refused'> =>
  act.then(
    () => 'allowed',
    () => 'refused',
  );
const publish = (client: MqttClient, topic: string, message: object = {}) =>
  outcome(client.publishAsync(topic, JSON.stringify(message), { qos: 1 }));
async function subscribe(client: MqttClient, filter: string) {
  return outcome(
    client.subscribeAsync(filter, { qos: 1 }).then((grants) => {
      if (grants.some(({ qos }) => qos >= 128)) throw new Error('refused');
    }),
  );
}

describe('the provisioned policies, enforced by a broker', () => {
  it('let a healthy device work, contain it, and keep its jobs open', async () => {
    const thing = 'enforced-1';
    const device = await enrolled(thing);
    const client = await connect(device, thing);
    const attempts = async () => ({
      telemetry: await publish(client, telemetryTopic(thing)),
      shadow: await publish(client, shadowTopics.update(thing), { state: {} }),
      command: await subscribe(client, `cmd/${thing}/#`),
      foreign: await publish(client, telemetryTopic('someone-else')),
      foreignJobs: await publish(client, jobTopics.getPending('someone-else')),
      jobs: await publish(client, jobTopics.getPending(thing)),
      jobReplies: await subscribe(client, jobTopics.replies(thing)[0] ?? ''),
      jobNotify: await subscribe(client, jobTopics.notify(thing)),
    });
    const healthy = {
      telemetry: 'allowed',
      shadow: 'allowed',
      command: 'allowed',
      foreign: 'refused',
      foreignJobs: 'refused',
      jobs: 'allowed',
      jobReplies: 'allowed',
      jobNotify: 'allowed',
    };
    const contained = { telemetry: 'refused', shadow: 'refused', command: 'refused' };
    expect(await attempts()).toEqual(healthy);
    await expect(connect(device, 'another-client-id')).rejects.toThrow(/Not authorized/);

    await clients.iot.send(
      new AddThingToThingGroupCommand({ thingName: thing, thingGroupName: NAMES.quarantineGroup }),
    );
    expect(await attempts()).toEqual({ ...healthy, ...contained });

    const { certificateArn: target } = device;
    await clients.iot.send(new AttachPolicyCommand({ policyName: NAMES.quarantinePolicy, target }));
    expect(await attempts()).toEqual({ ...healthy, ...contained });
  }, 30_000);

  it('route telemetry under the name of the topic, whatever the payload says', async () => {
    const device = await enrolled('spoofer');
    const client = await connect(device, 'spoofer');
    const message = { thing: 'victim', probe: 'nonce-12345678' };
    expect(await publish(client, telemetryTopic('spoofer'), { thing: 'no probe' })).toBe('allowed');
    expect(await publish(client, telemetryTopic('spoofer'), message)).toBe('allowed');

    const QueueUrl = (await queueUrl(clients.sqs, NAMES.telemetryQueue)) ?? '';
    const bodies: Record<string, unknown>[] = [];
    for (let poll = 0; poll < 10 && !bodies.some(({ probe }) => probe !== undefined); poll++) {
      const { Messages = [] } = await clients.sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
      );
      bodies.push(
        ...Messages.map(({ Body }) => JSON.parse(Body ?? '{}') as Record<string, unknown>),
      );
    }
    const routed = bodies.filter(({ probe }) => probe === message.probe);
    expect(routed).toEqual([{ ...message, thing: 'spoofer' }]);

    const { Items = [] } = await clients.dynamo.send(
      new ScanCommand({ TableName: NAMES.probeTable, ConsistentRead: true }),
    );
    expect(Items).toEqual([
      {
        nonce: { S: message.probe },
        thing: { S: 'spoofer' },
        receivedAt: { N: expect.stringMatching(/^\d{13}$/) },
        expiresAt: { N: expect.stringMatching(/^\d{10}(\.\d+)?$/) },
      },
    ]);
  }, 30_000);
});

describe('enrolDevice', () => {
  it('is complete after one run and changes nothing in the next', async () => {
    const alarm = { periodSeconds: 10, threshold: 5 };
    const first = await enrolled('twice', { firmware: '1.0.0', alarm });
    expect(first.changes.length).toBeGreaterThan(5);
    const second = await enrolled('twice', { firmware: '1.0.0', alarm });
    expect(second.changes).toEqual([]);
    expect(second.certificateArn).toBe(first.certificateArn);
  });

  it('is completed by the next run when it is killed after any write', async () => {
    const { csrPem } = await deviceKey('killed');
    const input = { thing: 'killed', site: 'north', hardware: 'v1', credential: { csrPem } };
    let finished = false;
    let killed = 0;
    while (!finished && killed < 20) {
      const mortal = createAwsClients(emulator);
      mortal.iot.middlewareStack.add(
        (next, context) => async (args) => {
          const result = await next(args);
          if (!/^(Get|List|Describe)/.test(context.commandName ?? '')) throw new Error('killed');
          return result;
        },
        { step: 'initialize' },
      );
      const mortalApi = createEnrolmentApi(mortal, placeOf(emulator.region, emulator.accountId));
      finished = await enrolDevice(mortalApi, input).then(
        () => true,
        () => false,
      );
      // A certificate that was issued right before dying is not attached: the next run asks for another.
      if (!finished && ++killed === 4) break;
    }
    const last = await enrolDevice(api(), input);
    expect((await enrolDevice(api(), input)).changes).toEqual([]);
    expect(await api().certificatesOf('killed')).toEqual([last.certificateArn]);
  });

  it('mends attributes and keeps those it does not know', async () => {
    await enrolled('mended');
    await api().updateAttributes('mended', { site: 'elsewhere', hardware: 'v1', line: '7' });
    expect((await enrolled('mended')).changes).toEqual(['attributes of mended']);
    expect((await api().describeThing('mended'))?.attributes).toEqual({
      site: 'north',
      hardware: 'v1',
      line: '7',
    });
  });

  it('never moves a device from one group to another by itself', async () => {
    await enrolled('settled');
    const moved = enrolled('settled', { hardware: 'v2' });
    await expect(moved).rejects.toThrow(EnrolmentError);
    await expect(moved).rejects.toThrow(/is in hardware-v1, asked for hardware-v2/);
  });

  it('takes a certificate of one’s own, and one that is registered already', async () => {
    const { certificatePem, certificateArn } = await enrolled('own-1');
    const again = await enrolDevice(api(), {
      thing: 'own-2',
      site: 'north',
      hardware: 'v1',
      credential: { certificateArn },
    });
    expect(again).toMatchObject({ certificateArn, certificatePem });
    expect(await api().certificatesOf('own-2')).toEqual([certificateArn]);
  });
});
