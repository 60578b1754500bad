import { readFileSync } from 'node:fs';
import {
  AttachPolicyCommand,
  AttachThingPrincipalCommand,
  CreateKeysAndCertificateCommand,
  CreatePolicyCommand,
  CreateThingCommand,
  type IoTClient,
} from '@aws-sdk/client-iot';
import mqtt, { type IClientOptions, type IConnackPacket, type MqttClient } from 'mqtt';
import { createAwsClients } from '../../../activities/aws/clients';
import type { Emulator } from '../../../local/stack/emulator';

/** The first start on a machine installs the emulator. */
export const START_TIMEOUT_MS = 180_000;

export interface Device {
  thing: string;
  certificateId: string;
  certificateArn: string;
  certificatePem: string;
  privateKey: string;
}

export type ProtocolVersion = 4 | 5;
export const PROTOCOL_VERSIONS: ProtocolVersion[] = [4, 5];

export const clientsOf = (emulator: Emulator) =>
  createAwsClients({
    region: emulator.region,
    endpoint: emulator.endpoint,
    credentials: emulator.credentials,
  });

export const statement = (
  effect: 'Allow' | 'Deny',
  action: string,
  resource: string,
  condition?: object,
) => ({
  Effect: effect,
  Action: action,
  Resource: resource,
  ...(condition !== undefined && { Condition: condition }),
});

export const policyDocument = (...statements: object[]) =>
  JSON.stringify({ Version: '2012-10-17', Statement: statements });

export const ALLOW_ALL = policyDocument(statement('Allow', 'iot:*', '*'));
export const DENY_TELEMETRY = policyDocument(
  statement('Deny', 'iot:Publish', 'arn:aws:iot:*:*:topic/dt/*'),
);

/** A thing with an active certificate and, attached to the certificate, one policy of its own. */
export async function enrol(
  iot: IoTClient,
  thing: string,
  document: string = ALLOW_ALL,
): Promise<Device> {
  await iot.send(new CreateThingCommand({ thingName: thing }));
  const made = await iot.send(new CreateKeysAndCertificateCommand({ setAsActive: true }));
  const device = {
    thing,
    certificateId: made.certificateId ?? '',
    certificateArn: made.certificateArn ?? '',
    certificatePem: made.certificatePem ?? '',
    privateKey: made.keyPair?.PrivateKey ?? '',
  };
  const principal = device.certificateArn;
  await iot.send(new AttachThingPrincipalCommand({ thingName: thing, principal }));
  await iot.send(new CreatePolicyCommand({ policyName: `own-${thing}`, policyDocument: document }));
  await iot.send(new AttachPolicyCommand({ policyName: `own-${thing}`, target: principal }));
  return device;
}

/** Rejects when the broker refuses, closes without an answer, or the TLS handshake fails. */
export function connect(
  emulator: Emulator,
  device: Device | null,
  options: IClientOptions = {},
  onConnack: (packet: IConnackPacket) => void = () => undefined,
): Promise<MqttClient> {
  const client = mqtt.connect({
    protocol: 'mqtts',
    host: emulator.mqtt.host,
    port: emulator.mqtt.port,
    ca: readFileSync(emulator.mqtt.caFile),
    ...(device !== null && { cert: device.certificatePem, key: device.privateKey }),
    clientId: device?.thing ?? 'nobody',
    protocolVersion: 5,
    reconnectPeriod: 0,
    ...options,
  });
  return new Promise((resolve, reject) => {
    client.once('connect', (packet) => {
      onConnack(packet);
      resolve(client);
    });
    client.on('error', reject);
    client.once('close', () => reject(new Error('The broker closed the connection')));
  });
}

/** QoS 1. MQTT 5 is told of a refusal and stays; MQTT 3.1.1 is disconnected. */
export async function publish(
  client: MqttClient,
  topic: string,
  payload = '{}',
): Promise<'accepted' | 'refused'> {
  const closed = new Promise<'refused'>((resolve) => {
    client.once('close', () => resolve('refused'));
  });
  const answered = client.publishAsync(topic, payload, { qos: 1 }).then(
    () => 'accepted' as const,
    () => 'refused' as const,
  );
  return Promise.race([answered, closed]);
}

export const closed = (client: MqttClient): Promise<void> =>
  client.connected
    ? new Promise((resolve) => {
        client.once('close', () => resolve());
      })
    : Promise.resolve();

/** Asks again until `probe` gives something; the test's own timeout is the bound. */
export async function eventually<T>(probe: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function errorName(action: Promise<unknown>): Promise<string> {
  try {
    await action;
    return 'none';
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}
