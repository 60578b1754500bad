import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  CreateTableCommand,
  GetItemCommand,
  PutItemCommand,
  TransactWriteItemsCommand,
  TransactionCanceledException,
} from '@aws-sdk/client-dynamodb';
import { CreateRoleCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import {
  AddThingToThingGroupCommand,
  AttachPolicyCommand,
  CancelJobExecutionCommand,
  CreateJobCommand,
  CreateThingGroupCommand,
  CreateTopicRuleCommand,
  DescribeEndpointCommand,
  DescribeJobExecutionCommand,
  DescribeThingCommand,
  ListAttachedPoliciesCommand,
  ListPrincipalThingsCommand,
  ListTargetsForPolicyCommand,
  ListThingGroupsForThingCommand,
  ListThingPrincipalsCommand,
  UpdateThingCommand,
} from '@aws-sdk/client-iot';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { CreateQueueCommand, ReceiveMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import {
  START_TIMEOUT_MS,
  clientsOf,
  connect,
  enrol,
  errorName,
  eventually,
  policyDocument,
  statement,
} from './support';

/** What the runbooks need and MiniStack does by itself; a new version must keep it. */
describe('the stock emulator', () => {
  let emulator: Emulator;
  let roleArn: string;
  beforeAll(async () => {
    emulator = await startEmulator();
    const { iam } = clientsOf(emulator);
    const trust = {
      Effect: 'Allow',
      Principal: { Service: 'iot.amazonaws.com' },
      Action: 'sts:AssumeRole',
    };
    const made = await iam.send(
      new CreateRoleCommand({ RoleName: 'rules', AssumeRolePolicyDocument: policyDocument(trust) }),
    );
    roleArn = made.Role?.Arn ?? '';
    await iam.send(
      new PutRolePolicyCommand({
        RoleName: 'rules',
        PolicyName: 'deliver',
        PolicyDocument: policyDocument(
          statement('Allow', 'sqs:SendMessage', '*'),
          statement('Allow', 'dynamodb:PutItem', '*'),
        ),
      }),
    );
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  const makeQueue = async (name: string) =>
    (await clientsOf(emulator).sqs.send(new CreateQueueCommand({ QueueName: name }))).QueueUrl ??
    '';
  const nextMessage = (sqs: SQSClient, QueueUrl: string) =>
    eventually(async () => {
      const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
      const body = Messages?.[0]?.Body;
      return body === undefined ? undefined : (JSON.parse(body) as Record<string, unknown>);
    });
  const makeTable = (TableName: string, key: string) =>
    clientsOf(emulator).dynamo.send(
      new CreateTableCommand({
        TableName,
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [{ AttributeName: key, KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: key, AttributeType: 'S' }],
      }),
    );

  it('cancels a transaction whole and says which condition failed', async () => {
    const { dynamo } = clientsOf(emulator);
    await makeTable('guard', 'id');
    await dynamo.send(new PutItemCommand({ TableName: 'guard', Item: { id: { S: 'taken' } } }));
    const write = (id: string) => ({
      Put: {
        TableName: 'guard',
        Item: { id: { S: id }, count: { N: '1' } },
        ConditionExpression: 'attribute_not_exists(id)',
      },
    });
    const attempt = dynamo.send(
      new TransactWriteItemsCommand({ TransactItems: [write('free'), write('taken')] }),
    );
    const error: unknown = await attempt.catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(TransactionCanceledException);
    const reasons = (error as TransactionCanceledException).CancellationReasons;
    expect(reasons?.map(({ Code }) => Code)).toEqual(['None', 'ConditionalCheckFailed']);
    const get = (id: string) =>
      dynamo.send(new GetItemCommand({ TableName: 'guard', Key: { id: { S: id } } }));
    expect((await get('free')).Item).toBeUndefined();
    await dynamo.send(new TransactWriteItemsCommand({ TransactItems: [write('free')] }));
    expect((await get('free')).Item?.['count']).toEqual({ N: '1' });
  });

  it('sends telemetry with its thing from a rule to a queue', async () => {
    const { iot, sqs } = clientsOf(emulator);
    const queueUrl = await makeQueue('telemetry');
    await iot.send(
      new CreateTopicRuleCommand({
        ruleName: 'telemetry',
        topicRulePayload: {
          sql: "SELECT *, topic(2) AS thing FROM 'dt/+/telemetry'",
          awsIotSqlVersion: '2016-03-23',
          actions: [{ sqs: { queueUrl, roleArn, useBase64: false } }],
        },
      }),
    );
    const client = await connect(emulator, await enrol(iot, 'sensor'));
    await client.publishAsync('dt/sensor/telemetry', '{"refused":3}', { qos: 1 });
    expect(await nextMessage(sqs, queueUrl)).toEqual({ refused: 3, thing: 'sensor' });
    await client.endAsync(true);
  });

  it('sends presence from a rule to a queue', async () => {
    const { iot, sqs } = clientsOf(emulator);
    const queueUrl = await makeQueue('presence');
    await iot.send(
      new CreateTopicRuleCommand({
        ruleName: 'presence',
        topicRulePayload: {
          sql: "SELECT * FROM '$aws/events/presence/+/present'",
          awsIotSqlVersion: '2016-03-23',
          actions: [{ sqs: { queueUrl, roleArn, useBase64: false } }],
        },
      }),
    );
    const client = await connect(emulator, await enrol(iot, 'present'));
    expect(await nextMessage(sqs, queueUrl)).toMatchObject({
      clientId: 'present',
      eventType: 'connected',
    });
    await client.endAsync(true);
  });

  it('writes only messages that carry a probe from a rule to a table', async () => {
    const { iot, dynamo } = clientsOf(emulator);
    await makeTable('probes', 'probe');
    await iot.send(
      new CreateTopicRuleCommand({
        ruleName: 'probes',
        topicRulePayload: {
          sql: "SELECT probe, topic(2) AS thing FROM 'dt/+/telemetry' WHERE probe <> ''",
          awsIotSqlVersion: '2016-03-23',
          actions: [{ dynamoDBv2: { roleArn, putItem: { tableName: 'probes' } } }],
        },
      }),
    );
    const client = await connect(emulator, await enrol(iot, 'probed'));
    await client.publishAsync('dt/probed/telemetry', '{"refused":0}', { qos: 1 });
    await client.publishAsync('dt/probed/telemetry', '{"probe":"nonce-1"}', { qos: 1 });
    const read = () =>
      dynamo.send(new GetItemCommand({ TableName: 'probes', Key: { probe: { S: 'nonce-1' } } }));
    const item = await eventually(async () => (await read()).Item);
    expect(item).toEqual({ probe: { S: 'nonce-1' }, thing: { S: 'probed' } });
    await client.endAsync(true);
  });

  it('knows the graph of things, principals, policies and groups', async () => {
    const { iot } = clientsOf(emulator);
    const { certificateArn: principal } = await enrol(iot, 'graph');
    await iot.send(new CreateThingGroupCommand({ thingGroupName: 'graphs' }));
    await iot.send(
      new AddThingToThingGroupCommand({ thingName: 'graph', thingGroupName: 'graphs' }),
    );
    const { principals } = await iot.send(new ListThingPrincipalsCommand({ thingName: 'graph' }));
    expect(principals).toEqual([principal]);
    const { things } = await iot.send(new ListPrincipalThingsCommand({ principal }));
    expect(things).toEqual(['graph']);
    const { policies } = await iot.send(new ListAttachedPoliciesCommand({ target: principal }));
    expect(policies?.map(({ policyName }) => policyName)).toEqual(['own-graph']);
    const { targets } = await iot.send(
      new ListTargetsForPolicyCommand({ policyName: 'own-graph' }),
    );
    expect(targets).toEqual([principal]);
    const { thingGroups } = await iot.send(
      new ListThingGroupsForThingCommand({ thingName: 'graph' }),
    );
    expect(thingGroups?.map(({ groupName }) => groupName)).toEqual(['graphs']);
    const again = new AttachPolicyCommand({ policyName: 'own-graph', target: principal });
    await iot.send(again);
  });

  it('describes a thing with its attributes, and knows none that is not there', async () => {
    const { iot } = clientsOf(emulator);
    await enrol(iot, 'described');
    const attributePayload = { attributes: { site: 'north' } };
    await iot.send(new UpdateThingCommand({ thingName: 'described', attributePayload }));
    const found = await iot.send(new DescribeThingCommand({ thingName: 'described' }));
    expect(found.attributes).toEqual({ site: 'north' });
    const missing = iot.send(new DescribeThingCommand({ thingName: 'missing' }));
    expect(await errorName(missing)).toBe('ResourceNotFoundException');
  });

  it('runs a job by id over MQTT, and cancels one in progress only by force', async () => {
    const { iot } = clientsOf(emulator);
    const client = await connect(emulator, await enrol(iot, 'worker'));
    const replies: { topic: string; body: Record<string, unknown> }[] = [];
    client.on('message', (topic, payload) => {
      replies.push({ topic, body: JSON.parse(payload.toString()) as Record<string, unknown> });
    });
    const jobs = '$aws/things/worker/jobs';
    await client.subscribeAsync([`${jobs}/+/get/accepted`, `${jobs}/+/update/+`]);
    const { thingArn } = await iot.send(new DescribeThingCommand({ thingName: 'worker' }));
    await iot.send(
      new CreateJobCommand({
        jobId: 'contain-1',
        targets: [thingArn ?? ''],
        document: '{"operation":"contain"}',
      }),
    );
    const ask = async (topic: string, body: object) => {
      const seen = replies.length;
      await client.publishAsync(`${jobs}/contain-1/${topic}`, JSON.stringify(body), { qos: 1 });
      return eventually(() => Promise.resolve(replies[seen]));
    };
    const got = await ask('get', { includeJobDocument: true });
    expect(got.body['execution']).toMatchObject({
      jobId: 'contain-1',
      status: 'QUEUED',
      jobDocument: { operation: 'contain' },
    });
    const started = await ask('update', { status: 'IN_PROGRESS', expectedVersion: '1' });
    expect(started.topic).toBe(`${jobs}/contain-1/update/accepted`);
    const stale = await ask('update', { status: 'SUCCEEDED', expectedVersion: '1' });
    expect(stale.topic).toBe(`${jobs}/contain-1/update/rejected`);
    expect(stale.body['code']).toBe('VersionMismatch');

    const execution = { jobId: 'contain-1', thingName: 'worker' };
    const gently = iot.send(new CancelJobExecutionCommand(execution));
    expect(await errorName(gently)).toBe('InvalidStateTransitionException');
    await iot.send(new CancelJobExecutionCommand({ ...execution, force: true }));
    const cancelled = await iot.send(new DescribeJobExecutionCommand(execution));
    expect(cancelled.execution?.status).toBe('CANCELED');
    await client.endAsync(true);
  });

  it('keeps objects', async () => {
    const { s3 } = clientsOf(emulator);
    const at = { Bucket: 'records', Key: 'thing/1.json' };
    await s3.send(new CreateBucketCommand({ Bucket: at.Bucket }));
    await s3.send(new PutObjectCommand({ ...at, Body: '{"kept":true}' }));
    const found = await s3.send(new GetObjectCommand(at));
    expect(await found.Body?.transformToString()).toBe('{"kept":true}');
    const overwrite = s3.send(new PutObjectCommand({ ...at, Body: '{}', IfNoneMatch: '*' }));
    expect(await errorName(overwrite)).toBe('PreconditionFailed');
  });

  it('tells its data endpoint', async () => {
    const { endpointAddress } = await clientsOf(emulator).iot.send(
      new DescribeEndpointCommand({ endpointType: 'iot:Data-ATS' }),
    );
    expect(endpointAddress).toMatch(/^[0-9a-f]{14}-ats\.iot\.eu-west-1\.localhost:\d+$/);
  });
});
