import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { startWitness } from '../../local/demo/witness';
import { closed, connect, publish, type Device } from '../local/emulator/support';
import { temporalAddress } from '../support/temporal';
import { openBed, OPEN_TIMEOUT_MS, type Bed } from './bed';
import { allow, attachOwnPolicy } from './policies';
import { held, release, startRun, untilPhase } from './runs';

let bed: Bed;
beforeAll(async () => {
  bed = await openBed(await temporalAddress());
}, OPEN_TIMEOUT_MS);
afterAll(() => bed.close());
beforeEach(() => bed.allowAutomatically(10));

/** Driven by the test itself: a hostile device has no agent that would cooperate. */
async function device(thing: string): Promise<Device> {
  const { certificateArn, certificatePem, keyPem } = await bed.enrol(thing);
  const certificateId = certificateArn.slice(certificateArn.indexOf('/') + 1);
  return { thing, certificateId, certificateArn, certificatePem, privateKey: keyPem };
}

const PROMPT = { settings: { proveWithin: '1 second' } };

it.each([
  ['3.1.1', 4],
  ['5', 5],
] as const)(
  'refuses over MQTT %s what it accepted before, on the live session and on a new one',
  async (_, protocolVersion) => {
    const own = await device(`o-mqtt-${protocolVersion}`);
    const topic = `dt/${own.thing}/telemetry`;
    const live = await connect(bed.emulator, own, { protocolVersion });
    expect(await publish(live, topic)).toBe('accepted');

    let arrived: () => void = () => undefined;
    const denied = new Promise<void>((resolve) => (arrived = resolve));
    let goOn: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    const { remove } = bed.proxy.use({
      before: async ({ operation }) => {
        if (operation !== 'DeleteConnection') return undefined;
        arrived();
        await gate;
        return undefined;
      },
    });
    const run = await startRun(bed, own.thing, PROMPT);
    await denied;
    // The session is still the one from before the Deny.
    expect(live.connected).toBe(true);
    expect(await publish(live, topic)).toBe('refused');
    goOn();
    await closed(live);
    await untilPhase(run, 'holding');
    remove();

    const next = await connect(bed.emulator, own, { protocolVersion });
    expect(await publish(next, topic)).toBe('refused');
    await next.endAsync(true);
    await release(run);
    const released = await connect(bed.emulator, own, { protocolVersion });
    expect(await publish(released, topic)).toBe('accepted');
    await released.endAsync(true);
  },
);

function post({ thing, certificatePem, privateKey }: Device): Promise<number> {
  const { https, mqtt } = bed.emulator;
  return new Promise((resolve, reject) => {
    const call = request(
      {
        ...https,
        method: 'POST',
        path: `/topics/dt/${thing}/telemetry?qos=1`,
        ...{ ca: readFileSync(mqtt.caFile), cert: certificatePem, key: privateKey, agent: false },
      },
      (response) => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0));
      },
    );
    call.on('error', reject);
    call.end('{}');
  });
}

it('refuses over HTTPS with the same certificate what it accepted before', async () => {
  const own = await device('o-https');
  // The device policy allows nothing over HTTPS, so without this a refusal would prove nothing.
  await attachOwnPolicy(bed.clients, 'o-https-own', own.certificateArn, [
    allow('iot:Publish', `topic/dt/${own.thing}/*`),
  ]);
  expect(await post(own)).toBe(200);
  const run = await held(bed, own.thing, PROMPT);
  expect(await post(own)).toBe(403);
  await release(run);
  expect(await post(own)).toBe(200);
});

it('loses no message of the other devices meanwhile', async () => {
  const witness = await startWitness(bed.clients, bed.emulator);
  const others = await Promise.all(['o-other-1', 'o-other-2'].map(device));
  const sessions = await Promise.all(others.map((one) => connect(bed.emulator, one)));
  for (const session of sessions) session.setMaxListeners(0);
  const own = await device('o-contained');
  let sequence = 0;
  const everyonePublishes = async (): Promise<void> => {
    sequence += 1;
    await Promise.all(
      sessions.map(async (session, index) => {
        const topic = `dt/${others[index]?.thing ?? ''}/telemetry`;
        expect(await publish(session, topic, telemetry(sequence))).toBe('accepted');
      }),
    );
  };
  const released = new AbortController();
  const publishing = (async () => {
    while (!released.signal.aborted) await everyonePublishes();
  })();
  const run = await held(bed, own.thing, PROMPT);
  await release(run);
  released.abort();
  await publishing;
  const until = Date.now() + 5_000;
  while (others.some(({ thing }) => witness.of(thing).messages < sequence) && Date.now() < until)
    await new Promise((resolve) => setTimeout(resolve, 20));
  for (const { thing } of others)
    expect(witness.of(thing)).toMatchObject({ messages: sequence, lost: 0 });
  expect(sequence).toBeGreaterThan(10);
  await Promise.all([...sessions.map((session) => session.endAsync(true)), witness.stop()]);
});

const telemetry = (sequence: number): string =>
  JSON.stringify({
    at: new Date().toISOString(),
    sequence,
    firmwareVersion: '1.0.0',
    hardwareVersion: 'rev-a',
    application: 'running',
    health: 'healthy',
    refusedPublishes: 0,
    applicationRestarts: 0,
  });
