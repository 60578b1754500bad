import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  CreateThingCommand,
  GetBucketsAggregationCommand,
  GetStatisticsCommand,
  SearchIndexCommand,
  UpdateIndexingConfigurationCommand,
  type IoTClient,
} from '@aws-sdk/client-iot';
import { UpdateThingShadowCommand } from '@aws-sdk/client-iot-data-plane';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import { START_TIMEOUT_MS, clientsOf, errorName } from './support';

const HEALTH = 'shadow.reported.health';

/** Five pumps: a and b in the north, c to e in the south; e never reported anything. */
async function fleet(emulator: Emulator): Promise<void> {
  const { iot, iotData } = clientsOf(emulator);
  await iot.send(
    new UpdateIndexingConfigurationCommand({
      thingIndexingConfiguration: {
        thingIndexingMode: 'REGISTRY_AND_SHADOW',
        thingConnectivityIndexingMode: 'STATUS',
        customFields: [
          { name: HEALTH, type: 'String' },
          { name: 'attributes.site', type: 'String' },
          { name: 'shadow.reported.release', type: 'Number' },
        ],
      },
    }),
  );
  for (const [at, thingName] of ['pump-a', 'pump-b', 'pump-c', 'pump-d', 'pump-e'].entries()) {
    const attributes = { site: at < 2 ? 'north' : 'south' };
    await iot.send(new CreateThingCommand({ thingName, attributePayload: { attributes } }));
    if (thingName === 'pump-e') continue;
    const reported = { health: at % 2 === 0 ? 'healthy' : 'degraded', release: at + 1 };
    const payload = Buffer.from(JSON.stringify({ state: { reported } }));
    await iotData.send(new UpdateThingShadowCommand({ thingName, payload }));
  }
}

const search = async (iot: IoTClient, queryString: string): Promise<string> => {
  const { things } = await iot.send(new SearchIndexCommand({ queryString }));
  return (things ?? []).map(({ thingName }) => thingName?.slice(-1)).join('');
};

describe('the fleet index', () => {
  let emulator: Emulator;
  let iot: IoTClient;
  beforeAll(async () => {
    emulator = await startEmulator();
    ({ iot } = clientsOf(emulator));
    await fleet(emulator);
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  it.each([
    ['*', 'abcde'],
    ['thingName:pump-*', 'abcde'],
    ['attributes.site:north shadow.reported.health:healthy', 'a'],
    ['attributes.site:"north" OR thingName:"pump-e"', 'abe'],
    ['thingName:(pump-a OR pump-c) AND NOT attributes.site:north', 'c'],
    ['attributes.site:south AND -shadow.reported.health:degraded', 'ce'],
    ['NOT (attributes.site:north OR thingName:pump-e)', 'cd'],
    ['shadow.reported.release:3', 'c'],
    ['shadow.reported.release:>=3', 'cd'],
    ['shadow.reported.release:[2 TO 3]', 'bc'],
    ['shadow.reported.release:{2 TO *]', 'cd'],
    ['thingName:pump\\-a', 'a'],
    ['shadow.reported.nothing:*', ''],
  ])('finds by %s', async (query, found) => {
    expect(await search(iot, query)).toBe(found);
  });

  it.each([
    'pump-a',
    'thingName:',
    'thingName:a AND',
    'OR thingName:a',
    '(thingName:a',
    'thingName:a)',
    'deviceDefender.x:1',
    'attributes.target:"pump/1.tar"',
    Array.from({ length: 13 }, () => 'thingName:a').join(' OR '),
  ])('refuses %s', async (query) => {
    expect(await errorName(search(iot, query))).toBe('InvalidQueryException');
  });

  it('pages', async () => {
    const first = await iot.send(new SearchIndexCommand({ queryString: '*', maxResults: 3 }));
    expect(first.things).toHaveLength(3);
    const { nextToken } = first;
    const rest = await iot.send(
      new SearchIndexCommand({ queryString: '*', maxResults: 3, ...(nextToken && { nextToken }) }),
    );
    expect(rest.things?.map(({ thingName }) => thingName)).toEqual(['pump-d', 'pump-e']);
    expect(rest.nextToken).toBeUndefined();
  });

  it('counts what a query finds', async () => {
    const counted = await iot.send(
      new GetStatisticsCommand({ queryString: 'attributes.site:south OR thingName:pump-a' }),
    );
    expect(counted.statistics?.count).toBe(4);
    const { statistics } = await iot.send(
      new GetStatisticsCommand({ queryString: '*', aggregationField: 'shadow.reported.release' }),
    );
    expect(statistics).toMatchObject({ count: 4, minimum: 1, maximum: 4, average: 2.5 });
  });

  it('counts by the values of a field, most first', async () => {
    const ask = (aggregationField: string, maxBuckets: number) =>
      iot.send(
        new GetBucketsAggregationCommand({
          queryString: '*',
          aggregationField,
          bucketsAggregationType: { termsAggregation: { maxBuckets } },
        }),
      );
    expect(await ask('attributes.site', 10)).toMatchObject({
      totalCount: 5,
      buckets: [
        { keyValue: 'south', count: 3 },
        { keyValue: 'north', count: 2 },
      ],
    });
    expect((await ask(HEALTH, 1)).buckets).toEqual([{ keyValue: 'healthy', count: 2 }]);
    expect(await errorName(ask('attributes.other', 10))).toBe('InvalidAggregationException');
  });
});

describe('the patches of this file are still needed: the stock emulator', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator({ withoutPatches: ['fleet_search', 'fleet_aggregation'] });
    await fleet(emulator);
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  it('knows no OR (fleet_search)', async () => {
    const { iot } = clientsOf(emulator);
    expect(await search(iot, 'thingName:pump-a')).toBe('a');
    const either = search(iot, 'thingName:pump-a OR thingName:pump-b');
    expect(await errorName(either)).toBe('InvalidQueryException');
  });

  it('has no statistics (fleet_aggregation)', async () => {
    const counted = clientsOf(emulator).iot.send(new GetStatisticsCommand({ queryString: '*' }));
    await expect(counted).rejects.toThrow('Unsupported');
  });
});
