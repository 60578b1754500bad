import { readFileSync } from 'node:fs';
import {
  AttachPolicyCommand,
  CreateCertificateFromCsrCommand,
  CreatePolicyCommand,
} from '@aws-sdk/client-iot';
import { connectAsync } from 'mqtt';
import type { AwsClients } from '../../activities/aws/clients';
import { telemetry } from '../../domain/device-protocol/telemetry';
import { deviceKey } from '../stack/device-keys';
import type { Emulator } from '../stack/emulator';

const NAME = 'demo-witness';
const NOTHING = { sequences: [], times: [], firmware: '' };

export interface Heard {
  messages: number;
  /** Sequence numbers that were skipped. */
  lost: number;
  lastAt: number;
  /** Version in the last message; empty where there was none. */
  firmware: string;
}

export interface Witness {
  of(thing: string): Heard;
  /** Telemetry of the thing since a time (epoch milliseconds). */
  since(thing: string, at: number): number;
  stop(): Promise<void>;
}

/** Listens to every device's telemetry by a connection of its own, so that nothing in the demo is taken on trust. */
export async function startWitness(aws: AwsClients, emulator: Emulator): Promise<Witness> {
  const { keyFile, cert } = await certify(aws);
  const client = await connectAsync({
    protocol: 'mqtts',
    host: emulator.mqtt.host,
    port: emulator.mqtt.port,
    ca: readFileSync(emulator.mqtt.caFile),
    cert,
    key: readFileSync(keyFile),
    clientId: NAME,
    protocolVersion: 5,
  });
  const heard = new Map<string, { sequences: number[]; times: number[]; firmware: string }>();
  client.on('message', (topic, payload) => {
    const thing = topic.split('/')[1] ?? '';
    const parsed = telemetry.safeParse(JSON.parse(payload.toString()));
    if (!parsed.success) return;
    const entry = heard.get(thing) ?? { sequences: [], times: [], firmware: '' };
    entry.sequences.push(parsed.data.sequence);
    entry.times.push(Date.now());
    entry.firmware = parsed.data.firmwareVersion;
    heard.set(thing, entry);
  });
  await client.subscribeAsync('dt/+/telemetry', { qos: 1 });
  return {
    of(thing) {
      const { sequences, times, firmware } = heard.get(thing) ?? NOTHING;
      const distinct = new Set(sequences).size;
      const span = Math.max(...sequences) - Math.min(...sequences) + 1;
      return {
        messages: distinct,
        lost: distinct === 0 ? 0 : span - distinct,
        lastAt: times.at(-1) ?? 0,
        firmware,
      };
    },
    since: (thing, at) => (heard.get(thing)?.times ?? []).filter((time) => time > at).length,
    stop: () => client.endAsync(),
  };
}

async function certify({ iot }: AwsClients): Promise<{ keyFile: string; cert: string }> {
  const { keyFile, csrPem } = await deviceKey(NAME);
  const { certificateArn, certificatePem } = await iot.send(
    new CreateCertificateFromCsrCommand({ certificateSigningRequest: csrPem, setAsActive: true }),
  );
  const allow = (Action: string, resource: string) => ({
    Effect: 'Allow',
    Action,
    Resource: `arn:aws:iot:*:*:${resource}`,
  });
  const document = {
    Version: '2012-10-17',
    Statement: [
      allow('iot:Connect', `client/${NAME}`),
      allow('iot:Subscribe', 'topicfilter/dt/+/telemetry'),
      allow('iot:Receive', 'topic/dt/*'),
    ],
  };
  await iot.send(
    new CreatePolicyCommand({ policyName: NAME, policyDocument: JSON.stringify(document) }),
  );
  await iot.send(new AttachPolicyCommand({ policyName: NAME, target: certificateArn }));
  return { keyFile, cert: certificatePem ?? '' };
}
