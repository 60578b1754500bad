import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CreatePolicyVersionCommand,
  DetachPolicyCommand,
  ListPolicyVersionsCommand,
  ReplaceTopicRuleCommand,
} from '@aws-sdk/client-iot';
import { CreateTableCommand } from '@aws-sdk/client-dynamodb';
import { SetTopicAttributesCommand } from '@aws-sdk/client-sns';
import { SetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { createAwsClients, type AwsClients } from '../../../activities/aws/clients';
import { createGuardTable } from '../../../activities/aws/guard-table';
import { awsResources } from '../../../activities/aws/provision';
import { queueUrl } from '../../../activities/aws/provision-messaging';
import { createGuard } from '../../../activities/guard/guard';
import {
  applyProvisioning,
  planProvisioning,
  ProvisionConflictError,
} from '../../../activities/provision/provision';
import { NAMES } from '../../../domain/names';
import { policyArn } from '../../../domain/policy/documents';
import { topicArn } from '../../../domain/provision/desired';
import type { ProvisionSpec, ResourcePlan } from '../../../domain/provision/types';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';

const READ = /^(Get|List|Describe|Head|TransactGet|Query)/;

/** The stacks differ in their types only; the middleware looks at the command's name alone. */
interface Watched {
  middlewareStack: Pick<AwsClients['iot']['middlewareStack'], 'add'>;
}

/** Records every AWS call by name and fails right after the n-th write took effect, as if the process died there. */
function watch(clients: AwsClients, fatalWrite = Infinity): string[] {
  const calls: string[] = [];
  let writes = 0;
  for (const client of Object.values(clients)) {
    (client as unknown as Watched).middlewareStack.add(
      (next, context) => async (args) => {
        const name = (context.commandName ?? '').replace(/Command$/, '');
        calls.push(name);
        const result = await next(args);
        if (!READ.test(name) && ++writes >= fatalWrite) throw new Error(`killed after ${name}`);
        return result;
      },
      { step: 'initialize' },
    );
  }
  return calls;
}

const writesIn = (calls: readonly string[]): string[] => calls.filter((name) => !READ.test(name));
const notOk = (plans: readonly ResourcePlan[]): string[] =>
  plans
    .filter(({ action }) => action !== 'ok')
    .map(({ kind, name, action }) => `${action} ${kind} ${name}`);

let emulator: Emulator;
let clients: AwsClients;
let spec: ProvisionSpec;

beforeEach(async () => {
  emulator = await startEmulator();
  clients = createAwsClients(emulator);
  const { region, accountId } = emulator;
  spec = {
    place: { partition: 'aws', region, accountId },
    sites: ['north', 'south'],
    hardware: ['v1', 'v2'],
    webhookUrl: 'http://127.0.0.1:9/alarms/sns',
  };
});
afterEach(() => emulator.stop());

const resources = (using = clients) => awsResources(using, spec);

describe('provisioning', () => {
  it('makes everything once, and the second run writes nothing', async () => {
    const first = await applyProvisioning(resources());
    expect(first.filter(({ action }) => action === 'create').length).toBeGreaterThan(20);

    const calls = watch(clients);
    expect(notOk(await planProvisioning(resources()))).toEqual([]);
    expect(notOk(await applyProvisioning(resources()))).toEqual([]);
    expect(calls.length).toBeGreaterThan(20);
    expect(writesIn(calls)).toEqual([]);
  });

  it('plans all of it without changing anything', async () => {
    const calls = watch(clients);
    const plans = await planProvisioning(resources());
    expect(plans.map(({ action }) => action)).toContain('create');
    expect(writesIn(calls)).toEqual([]);
  });

  it('is completed by the next run when it is killed after any write', async () => {
    const dry = watch(clients);
    await applyProvisioning(resources());
    const total = writesIn(dry).length;
    await emulator.stop();

    emulator = await startEmulator();
    let killed = 0;
    // Each attempt survives one write, so every write is a place where a run died.
    for (let attempt = 0; attempt < total; attempt++) {
      const mortal = createAwsClients(emulator);
      watch(mortal, 1);
      const outcome = await applyProvisioning(resources(mortal)).then(
        () => 'completed',
        (err: unknown) => String(err),
      );
      if (outcome === 'completed') break;
      expect(outcome).toMatch(/killed after/);
      killed++;
    }
    expect(killed).toBeGreaterThan(total - 5);
    clients = createAwsClients(emulator);
    await applyProvisioning(resources());
    expect(notOk(await planProvisioning(resources()))).toEqual([]);
  }, 60_000);

  it('shows drift and mends it, and only it', async () => {
    await applyProvisioning(resources());
    const { iot, sqs, sns } = clients;
    const { place } = spec;
    await iot.send(
      new CreatePolicyVersionCommand({
        policyName: NAMES.devicePolicy,
        policyDocument: JSON.stringify({
          Version: '2012-10-17',
          Statement: [{ Effect: 'Allow', Action: 'iot:*', Resource: '*' }],
        }),
        setAsDefault: true,
      }),
    );
    await iot.send(
      new DetachPolicyCommand({
        policyName: NAMES.quarantinePolicy,
        target: policyArn(place, `thinggroup/${NAMES.quarantineGroup}`),
      }),
    );
    await iot.send(
      new ReplaceTopicRuleCommand({
        ruleName: NAMES.presenceRule,
        topicRulePayload: { sql: "SELECT 1 FROM 'x'", actions: [], awsIotSqlVersion: '2016-03-23' },
      }),
    );
    const QueueUrl = (await queueUrl(sqs, NAMES.telemetryQueue)) ?? '';
    await sqs.send(
      new SetQueueAttributesCommand({ QueueUrl, Attributes: { VisibilityTimeout: '7' } }),
    );
    const TopicArn = topicArn(place, NAMES.alarmTopic);
    await sns.send(
      new SetTopicAttributesCommand({
        TopicArn,
        AttributeName: 'SignatureVersion',
        AttributeValue: '1',
      }),
    );

    const drift = notOk(await planProvisioning(resources()));
    expect(drift.sort()).toEqual(
      [
        `update policy ${NAMES.devicePolicy}`,
        `create policy attachment ${NAMES.quarantinePolicy} on ${policyArn(place, `thinggroup/${NAMES.quarantineGroup}`)}`,
        `update rule ${NAMES.presenceRule}`,
        `update queue ${NAMES.telemetryQueue}`,
        `update topic ${NAMES.alarmTopic}`,
      ].sort(),
    );
    await applyProvisioning(resources());
    expect(notOk(await planProvisioning(resources()))).toEqual([]);
  });

  it('makes room when a policy has its five versions already', async () => {
    await applyProvisioning(resources());
    for (let version = 2; version <= 5; version++) {
      await clients.iot.send(
        new CreatePolicyVersionCommand({
          policyName: NAMES.devicePolicy,
          policyDocument: JSON.stringify({
            Version: '2012-10-17',
            Statement: [{ Effect: 'Allow', Action: 'iot:Connect', Resource: `*${version}` }],
          }),
          setAsDefault: true,
        }),
      );
    }
    await applyProvisioning(resources());
    expect(notOk(await planProvisioning(resources()))).toEqual([]);
    const { policyVersions } = await clients.iot.send(
      new ListPolicyVersionsCommand({ policyName: NAMES.devicePolicy }),
    );
    expect(policyVersions?.length).toBe(5);
  });

  it('writes nothing and says how to mend it when something can’t be changed in place', async () => {
    await clients.dynamo.send(
      new CreateTableCommand({
        TableName: NAMES.guardTable,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      }),
    );
    const calls = watch(clients);
    await expect(applyProvisioning(resources())).rejects.toThrow(ProvisionConflictError);
    await expect(applyProvisioning(resources())).rejects.toThrow(
      /table iot-runbooks-guard: keys is id, wanted pk, sk: .*delete/,
    );
    expect(writesIn(calls)).toEqual([]);
  });

  it('leaves a kill switch that someone has thrown as it is', async () => {
    await applyProvisioning(resources());
    const guard = createGuard({
      table: createGuardTable(clients.dynamo, NAMES.guardTable),
      approverKeys: () => Promise.resolve([]),
      now: Date.now,
    });
    await guard.setSwitch({ state: 'stop', reason: 'drill', by: 'someone' });
    await applyProvisioning(resources());
    expect((await guard.status()).switch).toMatchObject({ state: 'stop', by: 'someone' });
  });
});
