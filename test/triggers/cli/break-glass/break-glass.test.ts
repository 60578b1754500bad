import { AttachThingPrincipalCommand } from '@aws-sdk/client-iot';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createAwsClients, type AwsClients } from '../../../../activities/aws/clients';
import { createContainmentRecords } from '../../../../activities/aws/containment-records';
import { createGuardTable } from '../../../../activities/aws/guard-table';
import { createIotLogging } from '../../../../activities/aws/iot-logging';
import { createIotRegistry } from '../../../../activities/aws/iot-registry';
import { createGuard } from '../../../../activities/guard/guard';
import { readDevice, type DeviceState } from '../../../../activities/quarantine/snapshot';
import { NAMES, recordsBucket } from '../../../../domain/names';
import { enrolThing, provisionAccount } from '../../../../local/bed/account';
import { startAwsProxy, type AwsProxy } from '../../../../local/proxies/aws-proxy';
import { deviceKey } from '../../../../local/stack/device-keys';
import { startEmulator, type Emulator } from '../../../../local/stack/emulator';
import { lastJson, runMain, type Outcome } from '../../../support/processes';

const THINGS = ['glass-1', 'glass-2', 'glass-3', 'glass-4', 'glass-5', 'glass-6'];
const WHY = ['--reason', 'it floods the site'];
const ANN = ['--by', 'ann'];
const TWO_PEOPLE = [...ANN, '--by', 'ben'];

let emulator: Emulator;
let proxy: AwsProxy;
let clients: AwsClients;

beforeAll(async () => {
  emulator = await startEmulator();
  const { endpoint, region, credentials } = emulator;
  clients = createAwsClients({ endpoint, region, credentials });
  proxy = await startAwsProxy({ upstream: endpoint });
  await provisionAccount(clients, emulator);
  const arns: string[] = [];
  for (const thing of THINGS) {
    const { csrPem } = await deviceKey(thing);
    arns.push((await enrolThing(clients, emulator, { thing, csrPem })).certificateArn);
  }
  // The certificate of glass-5 serves glass-6 too.
  await clients.iot.send(
    new AttachThingPrincipalCommand({ thingName: 'glass-6', principal: arns[4] }),
  );
}, 240_000);
afterAll(async () => {
  await proxy.stop();
  await emulator.stop();
});

const run = (args: string[], over: Record<string, string> = {}): Promise<Outcome> =>
  runMain('triggers/cli/break-glass/main.ts', args, {
    AWS_REGION: emulator.region,
    AWS_ACCOUNT_ID: emulator.accountId,
    AWS_ENDPOINT_URL: proxy.endpoint,
    AWS_ACCESS_KEY_ID: emulator.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: emulator.credentials.secretAccessKey,
    ...over,
  });

const stateOf = (thing: string): Promise<DeviceState> =>
  readDevice(
    {
      registry: createIotRegistry(clients.iot),
      logging: createIotLogging(clients.iot, clients.logs),
    },
    thing,
  );
const recordOf = (thing: string) =>
  createContainmentRecords(clients.s3, recordsBucket(emulator.accountId)).get(thing);
const containedNow = async (): Promise<string[]> => {
  const table = createGuardTable(clients.dynamo, NAMES.guardTable);
  const approverKeys = () => Promise.resolve([]);
  const { leases } = await createGuard({ table, approverKeys, now: Date.now }).status();
  return leases.map(({ thing }) => thing).sort();
};

describe('npm run break-glass, misused', () => {
  it.each<[string, RegExp, string[], Record<string, string>?]>([
    ['no command', /contain/, []],
    ['no thing', /missing required argument/, ['contain', ...WHY, ...ANN]],
    ['no reason', /--reason/, ['contain', 'glass-1', ...ANN]],
    ['a blank reason', /--reason must say why/, ['contain', 'glass-1', '--reason', ' ', ...ANN]],
    ['no name', /--by/, ['contain', 'glass-1', ...WHY]],
    ['a blank name', /--by must name/, ['contain', 'glass-1', ...WHY, '--by', ' ']],
    ['a wildcard', /not a thing name: glass-\*/, ['contain', 'glass-*', ...WHY, ...ANN]],
    ['an empty thing', /not a thing name/, ['contain', '', ...WHY, ...ANN]],
    [
      'eleven things',
      /11 things in one batch: at most 10/,
      ['contain', ...Array.from({ length: 11 }, (_, n) => `glass-${n}`), ...WHY, ...TWO_PEOPLE],
    ],
    ['one name for two things', /two people/, ['contain', 'glass-1', 'glass-2', ...WHY, ...ANN]],
    [
      'one person spelt in two ways for two things',
      /two people/,
      ['contain', 'glass-1', 'glass-2', ...WHY, ...ANN, '--by', ' Ann '],
    ],
    [
      'no account',
      /AWS_ACCOUNT_ID/,
      ['contain', 'glass-1', ...WHY, ...ANN],
      { AWS_ACCOUNT_ID: '' },
    ],
  ])(
    'refuses %s before it changes anything',
    async (_, message, args, over = {}) => {
      proxy.reset();
      const { code, stdout, stderr } = await run(args, over);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(message);
      expect(stderr).not.toContain('    at ');
      expect(proxy.calls().filter(({ mutating }) => mutating)).toEqual([]);
    },
    30_000,
  );

  it('says that a thing is unknown, and goes on with the rest of the batch', async () => {
    const outcome = await run(['contain', 'glass-9', 'glass-1', ...WHY, ...TWO_PEOPLE, '--json']);
    expect(outcome.code).toBe(1);
    expect(lastJson(outcome)).toMatchObject({
      command: 'contain',
      ok: false,
      results: [
        { thing: 'glass-9', ok: false, detail: 'no thing is named glass-9 in this account' },
        { thing: 'glass-1', ok: true },
      ],
    });
  }, 30_000);
});

describe('npm run break-glass', () => {
  it('contains, contains again without a change, and releases exactly', async () => {
    const before = await stateOf('glass-2');
    const contain = ['contain', 'glass-2', ...WHY, ...ANN, '--json'];
    const first = await run(contain);
    expect(first.code).toBe(0);
    expect(lastJson(first)).toMatchObject({ ok: true, results: [{ thing: 'glass-2', ok: true }] });
    expect(first.stderr).toContain('done');
    const during = await stateOf('glass-2');
    expect(during.groups).toContain(NAMES.quarantineGroup);
    expect(during.certificates[0]?.policies).toContain(NAMES.quarantinePolicy);
    expect(await recordOf('glass-2')).toMatchObject({
      by: 'ann',
      breakGlass: true,
      snapshot: before,
    });

    expect((await run(contain)).code).toBe(0);
    expect(await stateOf('glass-2')).toEqual(during);
    expect(await recordOf('glass-2')).toMatchObject({ snapshot: before });
    expect(await containedNow()).toContain('glass-2');

    expect((await run(['release', 'glass-2', '--reason', 'false alarm', ...ANN])).code).toBe(0);
    expect(await stateOf('glass-2')).toEqual(before);
    expect(await recordOf('glass-2')).toBeNull();
    expect(await containedNow()).not.toContain('glass-2');
  }, 60_000);

  it('says that there is nothing to release', async () => {
    const { code, stdout } = await run(['release', 'glass-3', ...WHY, ...ANN]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/FAILED glass-3: glass-3 has no containment record/);
  }, 30_000);

  it('contains without the guard, and says that it was not told', async () => {
    const { remove } = proxy.use({
      before: ({ service }) => (service === 'dynamodb' ? 'drop' : undefined),
    });
    const { code, stderr } = await run(['contain', 'glass-4', ...WHY, ...ANN]);
    remove();
    expect(code).toBe(0);
    expect(stderr).toMatch(/the guard was not told .*the reconciler does it/);
    expect((await stateOf('glass-4')).groups).toContain(NAMES.quarantineGroup);
    expect(await containedNow()).not.toContain('glass-4');
  }, 60_000);

  it('needs two people for a certificate that serves another thing too', async () => {
    const before = await stateOf('glass-5');
    const alone = await run(['contain', 'glass-5', ...WHY, ...ANN]);
    expect(alone.code).toBe(1);
    expect(alone.stdout).toMatch(/FAILED glass-5: .*glass-6.*two people/);
    expect(await stateOf('glass-5')).toEqual(before);
    const sameTwice = await run(['contain', 'glass-5', ...WHY, ...ANN, '--by', 'ANN']);
    expect(sameTwice.code).toBe(1);
    expect(await stateOf('glass-5')).toEqual(before);

    const together = await run(['contain', 'glass-5', ...WHY, ...TWO_PEOPLE]);
    expect(together.code).toBe(0);
    expect(together.stdout).toMatch(/contained with it: glass-6/);
    expect(await containedNow()).toEqual(expect.arrayContaining(['glass-5', 'glass-6']));
  }, 60_000);
});
