import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DescribeEndpointCommand } from '@aws-sdk/client-iot';
import mqtt from 'mqtt';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import { START_TIMEOUT_MS, clientsOf, connect, enrol, publish } from './support';

/** An address of this machine that is not loopback; a machine without one cannot show the difference. */
const outside = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === 'IPv4' && !address.internal)?.address;
const withOutside = outside === undefined ? it.skip : it;

const reaches = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection({ host, port, timeout: 2_000 });
    const answer = (reached: boolean) => {
      socket.destroy();
      resolve(reached);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
    socket.once('timeout', () => answer(false));
  });

/** MQTT over WebSocket on the gateway, as a browser without credentials would try it. */
async function connectUnsigned(emulator: Emulator): Promise<void> {
  const { endpointAddress } = await clientsOf(emulator).iot.send(
    new DescribeEndpointCommand({ endpointType: 'iot:Data-ATS' }),
  );
  const client = mqtt.connect(`${emulator.endpoint.replace('http', 'ws')}/mqtt`, {
    reconnectPeriod: 0,
    wsOptions: { headers: { host: endpointAddress ?? '' } },
  });
  try {
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve());
      client.on('error', reject);
      client.once('close', () => reject(new Error('The broker closed the connection')));
    });
  } finally {
    await client.endAsync(true);
  }
}

describe('the broker', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator();
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  withOutside('listens on loopback only', async () => {
    expect(await reaches('127.0.0.1', emulator.mqtt.port)).toBe(true);
    for (const port of [emulator.mqtt.port, emulator.https.port]) {
      expect(await reaches(outside ?? '', port)).toBe(false);
    }
  });

  it('requires a client certificate', async () => {
    await expect(connect(emulator, null)).rejects.toThrow();
    const device = await enrol(clientsOf(emulator).iot, 'certified');
    const client = await connect(emulator, device);
    expect(await publish(client, 'any')).toBe('accepted');
    await client.endAsync(true);
  });

  it('refuses an unsigned WebSocket', async () => {
    await expect(connectUnsigned(emulator)).rejects.toThrow();
  });
});

describe('the authority of device certificates', () => {
  it(
    'outlives the process, so that a device key made once is worth keeping',
    async () => {
      const dir = await mkdtemp(join(tmpdir(), 'emulator-ca-'));
      const ca: string[] = [];
      for (let start = 0; start < 2; start += 1) {
        const emulator = await startEmulator({ dir });
        ca.push(await readFile(emulator.mqtt.caFile, 'utf8'));
        await emulator.stop();
      }
      await rm(dir, { recursive: true });
      expect(ca[0]).toMatch(/^-----BEGIN CERTIFICATE-----/);
      expect(ca[1]).toBe(ca[0]);
    },
    START_TIMEOUT_MS,
  );
});

describe('the patches of this file are still needed: the stock emulator', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator({
      withoutPatches: ['loopback_bind', 'client_certificate', 'websocket_signature'],
    });
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  withOutside('listens on every interface (loopback_bind)', async () => {
    expect(await reaches(outside ?? '', emulator.mqtt.port)).toBe(true);
  });

  it('lets anyone publish without a certificate (client_certificate)', async () => {
    const client = await connect(emulator, null);
    expect(await publish(client, 'any')).toBe('accepted');
    await client.endAsync(true);
  });

  it('serves an unsigned WebSocket (websocket_signature)', async () => {
    await connectUnsigned(emulator);
  });
});

describe('cached_iot_ca is still needed: the stock emulator', () => {
  it(
    'makes another authority at each start',
    async () => {
      const authorities = new Set<string>();
      for (let start = 0; start < 2; start += 1) {
        const emulator = await startEmulator({
          withoutPatches: ['cached_iot_ca'],
        });
        const answer = await fetch(`${emulator.endpoint}/_ministack/iot/ca.pem`);
        authorities.add(await answer.text());
        await emulator.stop();
      }
      expect(authorities.size).toBe(2);
    },
    START_TIMEOUT_MS,
  );
});
