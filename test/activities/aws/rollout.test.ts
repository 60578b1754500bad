import {
  PutMetricAlarmCommand,
  PutMetricDataCommand,
  SetAlarmStateCommand,
} from '@aws-sdk/client-cloudwatch';
import {
  CreateThingCommand,
  CreateThingGroupCommand,
  ListThingGroupsForThingCommand,
  ListThingsInThingGroupCommand,
  UpdateIndexingConfigurationCommand,
  type IoTClient,
} from '@aws-sdk/client-iot';
import { UpdateThingShadowCommand } from '@aws-sdk/client-iot-data-plane';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { CreateTopicCommand, SubscribeCommand } from '@aws-sdk/client-sns';
import { CreateQueueCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { createAwsClients, type AwsClients } from '../../../activities/aws/clients';
import { createDeviceShadows } from '../../../activities/aws/device-shadows';
import { createFleetIndex } from '../../../activities/aws/fleet-index';
import { createMetrics } from '../../../activities/aws/metrics';
import { createPager } from '../../../activities/aws/pager';
import { createQuotas } from '../../../activities/aws/quotas';
import { createRolloutJobs } from '../../../activities/aws/rollout-jobs';
import { createRolloutStore } from '../../../activities/aws/rollout-store';
import { createScopedAlarms } from '../../../activities/aws/scoped-alarms';
import { createWaveGroups } from '../../../activities/aws/wave-groups';
import type { JobCounts, ListedExecution } from '../../../activities/rollout/deps';
import { INDEXED_FIELDS, NAMES } from '../../../domain/names';
import type { MetricQuery } from '../../../domain/rollout/types';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';

/** Three pages of the index, and two of a job's executions. */
const THINGS = 260;
const DOCUMENT = { version: 1, operation: 'install', target: 'pump/2.tar' };

let emulator: Emulator;
let clients: AwsClients;
beforeAll(async () => {
  emulator = await startEmulator();
  clients = createAwsClients(emulator);
  const { iot, iotData } = clients;
  await iot.send(
    new UpdateIndexingConfigurationCommand({
      thingIndexingConfiguration: {
        thingIndexingMode: 'REGISTRY_AND_SHADOW',
        thingConnectivityIndexingMode: 'STATUS',
        customFields: [...INDEXED_FIELDS],
      },
    }),
  );
  await iot.send(new CreateThingGroupCommand({ thingGroupName: NAMES.waveRoot }));
  for (let at = 0; at < THINGS; at += 1)
    await iot.send(
      new CreateThingCommand({
        thingName: name(at),
        attributePayload: { attributes: { site: at < 10 ? 'north' : 'south' } },
      }),
    );
  for (const at of [0, 1, 2]) {
    const state = { reported: { health: at === 2 ? 'degraded' : 'healthy' } };
    const payload = Buffer.from(JSON.stringify({ state }));
    await iotData.send(new UpdateThingShadowCommand({ thingName: name(at), payload }));
  }
}, 180_000);
afterAll(() => emulator.stop());

const name = (at: number): string => `pump-${at}`;
const arn = (at: number): string =>
  `arn:aws:iot:${emulator.region}:${emulator.accountId}:thing/${name(at)}`;
const all = async <T>(pages: AsyncIterable<T[]>): Promise<T[]> => {
  const items: T[] = [];
  for await (const page of pages) items.push(...page);
  return items;
};

describe('the fleet index', () => {
  it('is read page by page', async () => {
    const sizes: number[] = [];
    for await (const page of createFleetIndex(clients.iot).search('thingName:pump-*'))
      sizes.push(page.length);
    expect(sizes).toEqual([100, 100, 60]);
  });

  it('tells what a device reports, and that one never did', async () => {
    const found = await all(
      createFleetIndex(clients.iot).search(
        'thingName:(pump-0 OR pump-9) AND attributes.site:north',
      ),
    );
    const device = {
      attributes: { site: 'north' },
      groups: [],
      connected: false,
      connectivityAt: null,
    };
    expect(found).toEqual([
      { ...device, thing: 'pump-0', reported: { health: 'healthy' } },
      { ...device, thing: 'pump-9', reported: null },
    ]);
  });

  it('counts in one call', async () => {
    const index = createFleetIndex(clients.iot);
    expect(await index.count('attributes.site:south')).toBe(THINGS - 10);
    expect(await index.count('attributes.site:west')).toBe(0);
    const health = await index.buckets('attributes.site:north', 'shadow.reported.health');
    expect(health).toEqual({ healthy: 2, degraded: 1 });
  });
});

describe('a shadow', () => {
  it('is read from its own service', async () => {
    const shadows = createDeviceShadows(clients.iotData);
    expect(await shadows.reported('pump-2')).toEqual({ health: 'degraded' });
    expect(await shadows.reported('pump-9')).toBeNull();
    expect(await shadows.reported('nobody')).toBeNull();
  });
});

const NONE: JobCounts = {
  job: null,
  queued: 0,
  inProgress: 0,
  succeeded: 0,
  failed: 0,
  rejected: 0,
  timedOut: 0,
  canceled: 0,
  removed: 0,
};

describe('a job of many things', () => {
  it('is created once, and is somebody else’s where its document differs', async () => {
    const jobs = createRolloutJobs(clients.iot);
    const job = { jobId: 'ota-1', targets: [0, 1, 2].map(arn), document: DOCUMENT };
    await jobs.create(job);
    await jobs.create(job);
    expect(await jobs.counts('ota-1')).toEqual({ ...NONE, job: 'IN_PROGRESS', queued: 3 });
    await expect(jobs.create({ ...job, document: { other: true } })).rejects.toMatchObject({
      name: 'ResourceAlreadyExistsException',
    });
  });

  it('is cancelled by force, one device or all, and again without harm', async () => {
    const jobs = createRolloutJobs(clients.iot);
    await jobs.create({ jobId: 'ota-2', targets: [3, 4].map(arn), document: DOCUMENT });
    await jobs.cancelExecution('ota-2', 'pump-3');
    await jobs.cancelExecution('ota-2', 'pump-3');
    await jobs.cancelExecution('ota-2', 'pump-200');
    expect(await jobs.counts('ota-2')).toEqual({
      ...NONE,
      job: 'IN_PROGRESS',
      queued: 1,
      canceled: 1,
    });
    await jobs.cancel('ota-2', 'a person\nsaid so');
    await jobs.cancel('ota-2', 'again');
    expect(await jobs.counts('ota-2')).toEqual({ ...NONE, job: 'CANCELED', canceled: 2 });
    const listed = await all(jobs.executions('ota-2'));
    expect(listed.map(({ status }) => status)).toEqual(['CANCELED', 'CANCELED']);
  });

  it('that never was has no executions, and cancelling it is success', async () => {
    const jobs = createRolloutJobs(clients.iot);
    await jobs.cancel('ota-never', 'why');
    expect(await jobs.counts('ota-never')).toEqual(NONE);
    expect(await all(jobs.executions('ota-never'))).toEqual([]);
    expect(await jobs.statusDetails('ota-never', 'pump-1')).toEqual({});
  });

  it('of a group has an execution for each member, listed by pages and status', async () => {
    const jobs = createRolloutJobs(clients.iot);
    const groups = createWaveGroups(clients.iot);
    const groupArn = await groups.create('wave-1');
    for (let at = 0; at < THINGS; at += 1) await groups.add(name(at), 'wave-1');
    await jobs.create({ jobId: 'ota-3', targets: [groupArn], document: DOCUMENT });
    await jobs.cancelExecution('ota-3', 'pump-7');
    const pages: ListedExecution[][] = [];
    for await (const page of jobs.executions('ota-3')) pages.push(page);
    expect(pages.map((page) => page.length)).toEqual([250, 10]);
    expect(new Set(pages.flat().map(({ thing }) => thing)).size).toBe(THINGS);
    expect(await all(jobs.executions('ota-3', 'CANCELED'))).toMatchObject([
      { thing: 'pump-7', startedAt: null, queuedAt: expect.any(Number) },
    ]);
  });
});

describe('a group of a wave', () => {
  const groupsOf = async (thingName: string) =>
    (await clients.iot.send(new ListThingGroupsForThingCommand({ thingName }))).thingGroups?.map(
      ({ groupName }) => groupName,
    );

  it('is made once and goes with its members, twice without harm', async () => {
    const groups = createWaveGroups(clients.iot);
    expect(await groups.create('wave-2')).toBe(await groups.create('wave-2'));
    await thing(clients.iot, 'member');
    await groups.add('member', 'wave-2');
    await groups.add('member', 'wave-2');
    const listed = new ListThingsInThingGroupCommand({ thingGroupName: 'wave-2' });
    expect((await clients.iot.send(listed)).things).toEqual(['member']);
    await groups.remove('wave-2');
    await groups.remove('wave-2');
    expect(await groupsOf('member')).toEqual([]);
  });

  it('takes a device out of one that was left behind, and out of no other', async () => {
    const groups = createWaveGroups(clients.iot);
    await thing(clients.iot, 'heir');
    await clients.iot.send(new CreateThingGroupCommand({ thingGroupName: 'site-north' }));
    await groups.add('heir', 'site-north');
    await groups.create('wave-left');
    await groups.add('heir', 'wave-left');
    await groups.create('wave-3');
    await groups.add('heir', 'wave-3');
    expect((await groupsOf('heir'))?.sort()).toEqual(['site-north', 'wave-3']);
  });
});

const thing = (iot: IoTClient, thingName: string) =>
  iot.send(new CreateThingCommand({ thingName }));

describe('the objects of a rollout', () => {
  it('are created once, rewritten only by put, and listed sorted', async () => {
    await clients.s3.send(new CreateBucketCommand({ Bucket: 'records' }));
    const store = createRolloutStore(clients.s3, 'records');
    expect(await store.get('rollouts/1/plan.json')).toBeNull();
    expect(await store.create('rollouts/1/plan.json', '{"first":true}')).toBe(true);
    expect(await store.create('rollouts/1/plan.json', '{"first":false}')).toBe(false);
    expect(await store.get('rollouts/1/plan.json')).toBe('{"first":true}');
    await store.put('rollouts/1/jobs/b.json', 'é');
    await store.put('rollouts/1/jobs/a.json', '');
    await store.put('rollouts/1/jobs/a.json', '{}');
    expect(await store.get('rollouts/1/jobs/b.json')).toBe('é');
    expect(await store.list('rollouts/1/jobs/')).toEqual([
      'rollouts/1/jobs/a.json',
      'rollouts/1/jobs/b.json',
    ]);
    expect(await store.list('rollouts/2/')).toEqual([]);
    await expect(store.put('contained/pump-1.json', '{}')).rejects.toMatchObject({
      name: 'RolloutKeyError',
    });
  });

  it('are not taken for absent where the bucket is', async () => {
    const store = createRolloutStore(clients.s3, 'no-such-bucket');
    await expect(store.get('rollouts/1/plan.json')).rejects.toMatchObject({ name: 'NoSuchBucket' });
  });
});

describe('alarms', () => {
  it('are those in ALARM below the prefix, over all pages', async () => {
    const put = (AlarmName: string, at: number) =>
      clients.cloudwatch.send(
        new PutMetricAlarmCommand({
          AlarmName,
          Namespace: 'N',
          MetricName: 'M',
          Dimensions: [{ Name: 'ThingName', Value: name(at) }],
          Statistic: 'Sum',
          Period: 60,
          EvaluationPeriods: 1,
          Threshold: 1,
          ComparisonOperator: 'GreaterThanThreshold',
        }),
      );
    const raise = (AlarmName: string) =>
      clients.cloudwatch.send(
        new SetAlarmStateCommand({ AlarmName, StateValue: 'ALARM', StateReason: 'tested' }),
      );
    for (let at = 0; at < 105; at += 1) await put(`iot-runbooks/M/pump-${at}`, at);
    await put('other/M', 1);
    for (let at = 0; at < 103; at += 1) await raise(`iot-runbooks/M/pump-${at}`);
    await raise('other/M');
    const raised = await createScopedAlarms(clients.cloudwatch).raised('iot-runbooks/');
    expect(raised).toHaveLength(103);
    expect(raised).toContainEqual({
      name: 'iot-runbooks/M/pump-7',
      thing: 'pump-7',
      since: expect.any(Number),
    });
  });
});

describe('metrics', () => {
  const query = (metric: string, site: string, more: Partial<MetricQuery> = {}): MetricQuery => ({
    name: `${metric} ${site}`,
    namespace: 'Plant',
    metric,
    dimensions: { Site: site },
    statistic: 'Sum',
    periodSeconds: 60,
    withinMs: 300_000,
    ...more,
  });

  it('give the newest datum of the very series, and null where it is old or none', async () => {
    const now = Date.now();
    const data = (MetricName: string, Site: string, Value: number, ageMs: number) => ({
      MetricName,
      Dimensions: [{ Name: 'Site', Value: Site }],
      Value,
      Timestamp: new Date(now - ageMs),
    });
    await clients.cloudwatch.send(
      new PutMetricDataCommand({
        Namespace: 'Plant',
        MetricData: [
          data('Scrap', 'north', 1, 250_000),
          data('Scrap', 'north', 7, 5_000),
          data('Scrap', 'south', 9, 900_000),
        ],
      }),
    );
    const latest = await createMetrics(clients.cloudwatch).latest(
      [query('Scrap', 'north'), query('Scrap', 'south'), query('Scrap', 'west')],
      now,
    );
    expect(latest).toEqual({ 'Scrap north': 7, 'Scrap south': null, 'Scrap west': null });
  });

  it('are asked for by the 500', async () => {
    const many = Array.from({ length: 501 }, (_, at) => query('None', `site-${at}`));
    const latest = await createMetrics(clients.cloudwatch).latest(many, Date.now());
    expect(Object.values(latest)).toEqual(many.map(() => null));
  });
});

describe('a page', () => {
  it('reaches the topic with its id, whatever its subject holds', async () => {
    const { sns, sqs } = clients;
    const { TopicArn = '' } = await sns.send(new CreateTopicCommand({ Name: NAMES.pageTopic }));
    const Endpoint = `arn:aws:sqs:${emulator.region}:${emulator.accountId}:pages`;
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { Service: 'sns.amazonaws.com' },
          Action: 'sqs:SendMessage',
          Resource: Endpoint,
        },
      ],
    });
    const { QueueUrl = '' } = await sqs.send(
      new CreateQueueCommand({ QueueName: 'pages', Attributes: { Policy } }),
    );
    await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint }));
    const subject = `held\n${'x'.repeat(200)}`;
    await createPager(sns, TopicArn).page({ id: 'hold-1', subject, text: 'No data.' });
    const { Messages } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 5 }),
    );
    const body = JSON.parse(Messages?.[0]?.Body ?? '{}') as Record<string, unknown>;
    expect(body).toMatchObject({
      Message: 'No data.',
      Subject: `held ${'x'.repeat(94)}`,
      MessageAttributes: { id: { Value: 'hold-1' } },
    });
  });
});

describe('quotas', () => {
  it('are half of the documented ones where Service Quotas does not answer', async () => {
    const quotas = await createQuotas(clients.quotas, Date.now)();
    expect(quotas).toEqual({
      createJob: 5,
      describeJob: 5,
      addThingToThingGroup: 50,
      searchIndex: 7.5,
      source: 'documented',
    });
  });
});
