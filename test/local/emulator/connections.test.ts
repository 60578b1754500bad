import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { UpdateCertificateCommand } from '@aws-sdk/client-iot';
import { DeleteConnectionCommand, GetConnectionCommand } from '@aws-sdk/client-iot-data-plane';
import type { MqttClient } from 'mqtt';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import {
  PROTOCOL_VERSIONS,
  START_TIMEOUT_MS,
  clientsOf,
  closed,
  connect,
  enrol,
  errorName,
  eventually,
  publish,
} from './support';

const WILL = { topic: 'wills', payload: Buffer.from('gone'), qos: 1 as const, retain: false };

describe('connections', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator();
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  const drop = (clientId: string, options: object = {}) =>
    clientsOf(emulator).iotData.send(new DeleteConnectionCommand({ clientId, ...options }));
  const look = (clientId: string, includeSocketInformation = false) =>
    clientsOf(emulator).iotData.send(
      new GetConnectionCommand({ clientId, includeSocketInformation }),
    );
  const topicsOf = (client: MqttClient): string[] => {
    const topics: string[] = [];
    client.on('message', (topic) => topics.push(topic));
    return topics;
  };

  it.each(PROTOCOL_VERSIONS)(
    'of MQTT %s are gone when DeleteConnection answers',
    async (protocolVersion) => {
      const device = await enrol(clientsOf(emulator).iot, `dropped-${protocolVersion}`);
      const client = await connect(emulator, device, { protocolVersion });
      expect(await publish(client, 'any')).toBe('accepted');
      const reasons: unknown[] = [];
      client.on('disconnect', ({ reasonCode }) => reasons.push(reasonCode));

      await drop(device.thing);
      expect(await look(device.thing)).toMatchObject({
        connected: false,
        disconnectReason: 'API_INITIATED_DISCONNECT',
      });
      await closed(client);
      expect(reasons).toEqual(protocolVersion === 5 ? [0x98] : []);
      await (await connect(emulator, device, { protocolVersion })).endAsync(true);
    },
  );

  it('accept nothing that was still on its way when they were deleted', async () => {
    const { iot } = clientsOf(emulator);
    const listener = await connect(emulator, await enrol(iot, 'listener'));
    const topics = topicsOf(listener);
    await listener.subscribeAsync('flood');
    const device = await enrol(iot, 'flooding');
    const client = await connect(emulator, device);
    const flood = setInterval(() => client.publish('flood', 'x'), 1);
    await eventually(() => Promise.resolve(topics.length > 20 ? true : undefined));
    await drop(device.thing);
    const gone = await look(device.thing);
    await listener.publishAsync('flood', 'last', { qos: 1 });
    const seen = topics.length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    clearInterval(flood);
    expect(gone.connected).toBe(false);
    expect(topics.length - seen).toBeLessThanOrEqual(1);
    await listener.endAsync(true);
  });

  it.each([
    [false, ['wills']],
    [true, []],
  ])(
    'leave their last will unless told otherwise (preventWillMessage=%s)',
    async (prevent, seen) => {
      const { iot } = clientsOf(emulator);
      const listener = await connect(emulator, await enrol(iot, `heir-${prevent}`));
      const topics = topicsOf(listener);
      await listener.subscribeAsync(['wills', 'after']);
      const device = await enrol(iot, `testator-${prevent}`);
      await connect(emulator, device, { will: WILL });
      await drop(device.thing, { preventWillMessage: prevent });
      await listener.publishAsync('after', '', { qos: 1 });
      await eventually(() => Promise.resolve(topics.includes('after') ? true : undefined));
      expect(topics).toEqual([...seen, 'after']);
      await listener.endAsync(true);
    },
  );

  it.each([
    [false, true],
    [true, false],
  ])('keep their stored session unless told otherwise (cleanSession=%s)', async (clean, kept) => {
    const device = await enrol(clientsOf(emulator).iot, `stored-${clean}`);
    const options = { clean: false, properties: { sessionExpiryInterval: 600 } };
    await connect(emulator, device, options);
    expect((await look(device.thing)).cleanSession).toBe(false);
    await drop(device.thing, { cleanSession: clean });
    const present: boolean[] = [];
    const again = await connect(emulator, device, options, ({ sessionPresent }) =>
      present.push(sessionPresent),
    );
    expect(present).toEqual([kept]);
    await again.endAsync(true);
  });

  it('are described while they last and for a while after', async () => {
    const device = await enrol(clientsOf(emulator).iot, 'described');
    const before = Date.now();
    const client = await connect(emulator, device, { keepalive: 45 });
    const live = await look(device.thing, true);
    expect(live).toMatchObject({
      connected: true,
      clientId: 'described',
      thingName: 'described',
      cleanSession: true,
      keepAliveDuration: 45,
      sourceIp: '127.0.0.1',
      targetPort: emulator.mqtt.port,
    });
    expect(live.connectedSince).toBeGreaterThanOrEqual(before);
    expect(live.disconnectedSince).toBeUndefined();
    expect((await look(device.thing)).sourceIp).toBeUndefined();

    await client.endAsync();
    const gone = await eventually(async () => {
      const state = await look(device.thing);
      return state.connected === false ? state : undefined;
    });
    expect(gone.disconnectReason).toBe('CLIENT_INITIATED_DISCONNECT');
    expect(gone.disconnectedSince).toBeGreaterThanOrEqual(live.connectedSince ?? Infinity);
    expect(gone.connectedSince).toBeUndefined();
  });

  it('are found by a client id that needs encoding', async () => {
    const device = await enrol(clientsOf(emulator).iot, 'encoded');
    const clientId = 'line 1/press %41é';
    const client = await connect(emulator, device, { clientId });
    expect(await look(clientId)).toMatchObject({ connected: true, clientId });
    await drop(clientId);
    await closed(client);
  });

  it('that were never there are not found', async () => {
    expect(await errorName(look('never'))).toBe('ResourceNotFoundException');
    expect(await errorName(drop('never'))).toBe('ResourceNotFoundException');
  });

  it.each(['INACTIVE', 'REVOKED'] as const)('end when their certificate becomes %s', async (to) => {
    const { iot } = clientsOf(emulator);
    const device = await enrol(iot, `cert-${to}`);
    const client = await connect(emulator, device);
    const bystander = await connect(emulator, await enrol(iot, `bystander-${to}`));
    expect(await publish(client, 'any')).toBe('accepted');

    await setStatus(emulator, device.certificateId, to);
    expect((await look(device.thing)).disconnectReason).toBe('AUTH_ERROR');
    await closed(client);
    await expect(connect(emulator, device)).rejects.toThrow();
    expect(await publish(bystander, 'any')).toBe('accepted');
    await bystander.endAsync(true);
  });

  it('are possible again with a certificate set ACTIVE again', async () => {
    const device = await enrol(clientsOf(emulator).iot, 'returns');
    await setStatus(emulator, device.certificateId, 'INACTIVE');
    await expect(connect(emulator, device)).rejects.toThrow();
    await setStatus(emulator, device.certificateId, 'ACTIVE');
    await (await connect(emulator, device)).endAsync(true);
  });
});

describe('the patches of this file are still needed: the stock emulator', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator({ withoutPatches: ['connections', 'certificate_status'] });
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  it('has neither DeleteConnection nor GetConnection (connections)', async () => {
    const { iotData } = clientsOf(emulator);
    for (const call of [
      iotData.send(new DeleteConnectionCommand({ clientId: 'any' })),
      iotData.send(new GetConnectionCommand({ clientId: 'any' })),
    ]) {
      await expect(call).rejects.toThrow('Unsupported iot-data path');
    }
  });

  it('lets a live session publish under an INACTIVE certificate (certificate_status)', async () => {
    const device = await enrol(clientsOf(emulator).iot, 'lingers');
    const client = await connect(emulator, device);
    await setStatus(emulator, device.certificateId, 'INACTIVE');
    expect(await publish(client, 'any')).toBe('accepted');
    await client.endAsync(true);
    await expect(connect(emulator, device)).rejects.toThrow();
  });
});

function setStatus(
  emulator: Emulator,
  certificateId: string,
  newStatus: 'ACTIVE' | 'INACTIVE' | 'REVOKED',
) {
  return clientsOf(emulator).iot.send(new UpdateCertificateCommand({ certificateId, newStatus }));
}
