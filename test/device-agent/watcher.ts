import { readFileSync } from 'node:fs';
import { connectAsync, type MqttClient } from 'mqtt';
import { AttachPolicyCommand, CreatePolicyCommand, type IoTClient } from '@aws-sdk/client-iot';
import type { Emulator } from '../../local/stack/emulator';
import type { TestCertificate } from '../support/devices';

export interface Seen {
  topic: string;
  body: Record<string, unknown>;
}

/** A second client that may do everything: sees what devices publish, and publishes as the cloud would. */
export class Watcher {
  readonly seen: Seen[] = [];

  private constructor(private readonly client: MqttClient) {
    client.on('message', (topic, payload) => {
      const text = payload.toString('utf8');
      const body = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
      this.seen.push({ topic, body });
    });
  }

  static async open(
    emulator: Emulator,
    iot: IoTClient,
    certificate: TestCertificate,
    filters: string[],
  ): Promise<Watcher> {
    const policyName = 'test-watcher';
    const everything = { Effect: 'Allow', Action: 'iot:*', Resource: '*' };
    const policyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [everything] });
    await iot.send(new CreatePolicyCommand({ policyName, policyDocument }));
    await iot.send(new AttachPolicyCommand({ policyName, target: certificate.certificateArn }));
    const client = await connectAsync({
      protocol: 'mqtts',
      host: emulator.mqtt.host,
      port: emulator.mqtt.port,
      ca: readFileSync(emulator.mqtt.caFile),
      cert: readFileSync(certificate.certFile),
      key: readFileSync(certificate.keyFile),
      clientId: 'watcher',
      protocolVersion: 5,
    });
    const watcher = new Watcher(client);
    await client.subscribeAsync(filters, { qos: 1 });
    return watcher;
  }

  on(topic: string): Seen[] {
    return this.seen.filter((message) => message.topic === topic);
  }

  async publish(topic: string, body: unknown): Promise<void> {
    await this.client.publishAsync(topic, JSON.stringify(body), { qos: 1 });
  }

  async close(): Promise<void> {
    await this.client.endAsync();
  }
}
