import {
  CreateThingCommand,
  IoTClient,
  UpdateIndexingConfigurationCommand,
} from '@aws-sdk/client-iot';
import { IoTDataPlaneClient, UpdateThingShadowCommand } from '@aws-sdk/client-iot-data-plane';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createFleetIndex } from '../../../activities/aws/fleet-index';
import type { FleetIndex } from '../../../activities/rollout/deps';
import {
  confirmedQuery,
  controlQuery,
  ofHardware,
  runsQuery,
} from '../../../domain/rollout/queries';
import type { Hop } from '../../../domain/rollout/types';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';

const HEALTH = 'shadow.reported.health';
const HOP: Hop = { target: 'pump/1.4.0.tar', version: '1.4.0', release: 14, revert: null };
const DONE = { release: 14, outcome: 'SUCCEEDED' };

const FLEET: Record<string, [version: string, health: string, update?: object, hardware?: string]> =
  {
    updated: ['1.4.0', 'healthy', DONE],
    unwell: ['1.4.0', 'unhealthy', DONE],
    other: ['1.4.0', 'healthy', DONE, 'pump-3'],
    factory: ['1.4.0', 'healthy'],
    reverted: ['1.3.0', 'healthy', { release: 14, outcome: 'FAILED' }],
    before: ['1.3.0', 'healthy', { release: 13, outcome: 'SUCCEEDED' }],
    old: ['1.2.0', 'degraded'],
    older: ['1.1.0', 'healthy'],
    odd: ['1.4.0', 'healthy', DONE, 'pump "x" \\'],
  };

let emulator: Emulator;
let index: FleetIndex;

beforeAll(async () => {
  emulator = await startEmulator();
  const { endpoint, region, credentials } = emulator;
  const iot = new IoTClient({ endpoint, region, credentials });
  const data = new IoTDataPlaneClient({ endpoint, region, credentials });
  await iot.send(
    new UpdateIndexingConfigurationCommand({
      thingIndexingConfiguration: {
        thingIndexingMode: 'REGISTRY_AND_SHADOW',
        thingConnectivityIndexingMode: 'STATUS',
        customFields: [{ name: HEALTH, type: 'String' }],
      },
    }),
  );
  for (const [thingName, [version, health, update = null, hardware = 'pump-2']] of Object.entries(
    FLEET,
  )) {
    await iot.send(new CreateThingCommand({ thingName }));
    const reported = { firmware: { version }, hardware: { version: hardware }, health, update };
    const payload = Buffer.from(JSON.stringify({ state: { reported } }));
    await data.send(new UpdateThingShadowCommand({ thingName, payload }));
  }
  index = createFleetIndex(iot);
}, 120_000);

afterAll(() => emulator.stop());

async function found(query: string): Promise<string[]> {
  const things: string[] = [];
  for await (const page of index.search(query)) things.push(...page.map(({ thing }) => thing));
  return things.sort();
}

describe('the fleet index', () => {
  it('finds the devices that an update brought to the release', async () => {
    expect(await found(runsQuery(HOP))).toEqual(['odd', 'other', 'unwell', 'updated']);
    expect(await found(confirmedQuery(HOP))).toEqual(['odd', 'other', 'updated']);
    expect(await index.count(confirmedQuery(HOP))).toBe(3);
  });

  it('counts those of one hardware by their health', async () => {
    const query = ofHardware(runsQuery(HOP), 'pump-2');
    expect(await index.buckets(query, HEALTH)).toEqual({ healthy: 1, unhealthy: 1 });
  });

  it('finds those on versions of the plan that have not tried it', async () => {
    expect(await found(controlQuery(['1.3.0', '1.2.0'], HOP))).toEqual(['before', 'old']);
  });

  it('takes a name for a name, whatever it holds', async () => {
    expect(await found(ofHardware(runsQuery(HOP), 'pump "x" \\'))).toEqual(['odd']);
    expect(await found(ofHardware(runsQuery(HOP), 'x" OR thingName:"old'))).toEqual([]);
  });

  it('takes the question who is offline', async () => {
    const query = `${ofHardware(runsQuery(HOP), 'pump-2')} AND connectivity.connected:false`;
    expect(await index.count(query)).toBe(2);
  });
});
