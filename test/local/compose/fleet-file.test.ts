import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createAwsClients } from '../../../activities/aws/clients';
import { awsResources } from '../../../activities/aws/provision';
import { applyProvisioning } from '../../../activities/provision/provision';
import { loadFleetConfig } from '../../../device-agent/config';
import { partitionOf } from '../../../domain/provision/desired';
import { loadConfig as loadEnrolConfig } from '../../../local/compose/config';
import { writeFleetFile } from '../../../local/compose/fleet-file';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import { service } from './compose-file';

describe('the enrolment of the demo fleet', () => {
  let emulator: Emulator;
  let dir: string;

  beforeAll(async () => {
    emulator = await startEmulator();
    dir = mkdtempSync(join(tmpdir(), 'compose-fleet-'));
  }, 120_000);

  afterAll(async () => {
    await emulator.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('writes a file that the host of the agents accepts, the same again when repeated', async () => {
    const { region, accountId } = emulator;
    const config = loadEnrolConfig({
      ...service('enrol').environment,
      AWS_ENDPOINT_URL: emulator.endpoint,
      FLEET_DEVICES: '4',
      FLEET_DIR: dir,
      MQTT_PORT: String(emulator.mqtt.port),
      MQTT_CA_FILE: emulator.mqtt.caFile,
    });
    const place = { partition: partitionOf(region), region, accountId };
    const { sites, hardware } = config;
    await applyProvisioning(
      awsResources(createAwsClients(emulator), { place, sites, hardware, webhookUrl: null }),
    );
    const first = readFileSync(await writeFleetFile(config), 'utf8');
    const agents = loadFleetConfig(first);
    expect(agents.map(({ thing }) => thing)).toEqual([
      'device-01',
      'device-02',
      'device-03',
      'device-04',
    ]);
    const certificate = readFileSync(agents[0]?.certFile ?? '', 'utf8');
    expect(readFileSync(await writeFleetFile(config), 'utf8')).toBe(first);
    expect(readFileSync(agents[0]?.certFile ?? '', 'utf8')).toBe(certificate);
  }, 60_000);

  it('names every variable that is wrong at once', () => {
    const environment = { ...service('enrol').environment, MQTT_PORT: '0', FLEET_SITES: 'a b' };
    expect(() => loadEnrolConfig(environment)).toThrow(/FLEET_SITES[^]*MQTT_PORT/);
    expect(() => loadEnrolConfig({ ...environment, FLEET_DEVICES: '1e9' })).toThrow(
      /FLEET_DEVICES/,
    );
  });
});
