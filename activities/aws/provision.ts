import { hardwareGroup, NAMES, recordsBucket, siteGroup } from '../../domain/names';
import { devicePolicy, policyArn, quarantinePolicy } from '../../domain/policy/documents';
import {
  PRESENCE_SQL,
  PROBE_SQL,
  PROBE_TTL_ATTRIBUTE,
  queuePolicy,
  roleArn,
  rulesPermissions,
  rulesTrust,
  TELEMETRY_SQL,
  topicArn,
} from '../../domain/provision/desired';
import type { ProvisionSpec } from '../../domain/provision/types';
import { createGuard } from '../guard/guard';
import { initialiseGuard } from '../guard/initialise';
import { guardResource } from '../provision/guard-resource';
import type { Resource } from '../provision/resource';
import type { AwsClients } from './clients';
import { createGuardTable } from './guard-table';
import { createIotRegistry } from './iot-registry';
import { bucketResource, tableResource } from './provision-data';
import { evidenceResources } from './provision-evidence';
import {
  fleetIndexingResource,
  groupLogLevelResource,
  loggingOptionsResource,
  ruleResource,
} from './provision-iot';
import {
  queueResource,
  queueUrl,
  roleResource,
  subscriptionResource,
  topicResource,
} from './provision-messaging';
import {
  groupResource,
  policyAttachmentResource,
  policyResource,
  thingTypeResource,
} from './provision-registry';

const GUARD_TABLE = { name: NAMES.guardTable, keys: ['pk', 'sk'] } as const;

/** Everything the fleet's cloud side is made of, each after what it depends on. */
export function awsResources(clients: AwsClients, spec: ProvisionSpec): Resource[] {
  return [
    ...registryResources(clients, spec),
    ...dataResources(clients, spec),
    ...evidenceResources(clients, spec.place),
    ...routingResources(clients, spec),
    ...alarmResources(clients, spec),
    fleetGuard(clients),
  ];
}

function registryResources({ iot }: AwsClients, spec: ProvisionSpec): Resource[] {
  const { place, sites, hardware } = spec;
  const { quarantineGroup, quarantinePolicy: quarantineName } = NAMES;
  const groupArn = policyArn(place, `thinggroup/${quarantineGroup}`);
  return [
    thingTypeResource(iot, NAMES.thingType),
    groupResource(iot, NAMES.siteRoot, null),
    ...sites.map((site) => groupResource(iot, siteGroup(site), NAMES.siteRoot)),
    groupResource(iot, NAMES.hardwareRoot, null),
    ...hardware.map((version) => groupResource(iot, hardwareGroup(version), NAMES.hardwareRoot)),
    groupResource(iot, NAMES.waveRoot, null),
    policyResource(iot, NAMES.devicePolicy, devicePolicy(place)),
    policyResource(iot, quarantineName, quarantinePolicy(place)),
    groupResource(iot, quarantineGroup, null),
    policyAttachmentResource(iot, quarantineName, groupArn),
    fleetIndexingResource(iot),
  ];
}

function dataResources({ dynamo, s3 }: AwsClients, { place }: ProvisionSpec): Resource[] {
  return [
    tableResource(dynamo, GUARD_TABLE),
    tableResource(dynamo, {
      name: NAMES.probeTable,
      keys: ['nonce'],
      ttlAttribute: PROBE_TTL_ATTRIBUTE,
    }),
    bucketResource(s3, recordsBucket(place.accountId), place.region),
  ];
}

function routingResources({ iam, iot, sqs }: AwsClients, { place }: ProvisionSpec): Resource[] {
  const role = roleArn(place, NAMES.rulesRole);
  const toQueue = (queue: string) => async () => {
    const url = await queueUrl(sqs, queue);
    return url === null ? null : { sqs: { roleArn: role, queueUrl: url, useBase64: false } };
  };
  const toProbes = () =>
    Promise.resolve({ dynamoDBv2: { roleArn: role, putItem: { tableName: NAMES.probeTable } } });
  return [
    roleResource(iam, {
      name: NAMES.rulesRole,
      trust: rulesTrust(place),
      permissions: rulesPermissions(place),
    }),
    loggingOptionsResource(iot, role),
    groupLogLevelResource(iot, NAMES.quarantineGroup),
    ...[NAMES.telemetryQueue, NAMES.presenceQueue].map((queue) =>
      queueResource(sqs, queue, queuePolicy(place, queue)),
    ),
    ruleResource(iot, NAMES.telemetryRule, TELEMETRY_SQL, toQueue(NAMES.telemetryQueue)),
    ruleResource(iot, NAMES.probeRule, PROBE_SQL, toProbes),
    ruleResource(iot, NAMES.presenceRule, PRESENCE_SQL, toQueue(NAMES.presenceQueue)),
  ];
}

function alarmResources({ sns }: AwsClients, { place, webhookUrl }: ProvisionSpec): Resource[] {
  const topic = topicArn(place, NAMES.alarmTopic);
  return [
    topicResource(sns, NAMES.alarmTopic, topic),
    topicResource(sns, NAMES.pageTopic, topicArn(place, NAMES.pageTopic)),
    ...(webhookUrl === null ? [] : [subscriptionResource(sns, topic, webhookUrl)]),
  ];
}

function fleetGuard({ dynamo, iot }: AwsClients): Resource {
  const table = createGuardTable(dynamo, NAMES.guardTable);
  const shape = tableResource(dynamo, GUARD_TABLE);
  return guardResource({
    guard: createGuard({ table, approverKeys: () => Promise.resolve([]), now: Date.now }),
    initialise: () => initialiseGuard(table),
    tableReady: async () => (await shape.read())?.['keys'] === GUARD_TABLE.keys.join(', '),
    countThings: () => createIotRegistry(iot).countThings(NAMES.thingType),
  });
}
