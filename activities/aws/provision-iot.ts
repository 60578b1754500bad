import {
  CreateTopicRuleCommand,
  GetIndexingConfigurationCommand,
  GetTopicRuleCommand,
  GetV2LoggingOptionsCommand,
  paginateListV2LoggingLevels,
  ReplaceTopicRuleCommand,
  SetV2LoggingLevelCommand,
  SetV2LoggingOptionsCommand,
  UpdateIndexingConfigurationCommand,
  type Action,
  type IoTClient,
} from '@aws-sdk/client-iot';
import { INDEXED_FIELDS } from '../../domain/names';
import { canonical } from '../../domain/provision/diff';
import { SQL_VERSION } from '../../domain/provision/desired';
import { ifPresent, type Resource } from '../provision/resource';

/** IoT logging on, at errors unless someone chose a level already: a chosen level is left alone. */
export function loggingOptionsResource(iot: IoTClient, roleArn: string): Resource {
  const write = async (): Promise<void> => {
    await iot.send(
      new SetV2LoggingOptionsCommand({ roleArn, defaultLogLevel: 'ERROR', disableAllLogs: false }),
    );
  };
  return {
    kind: 'IoT logging',
    name: 'options',
    desired: () => ({ enabled: 'true' }),
    async read() {
      try {
        const options = await iot.send(new GetV2LoggingOptionsCommand({}));
        const enabled = options.disableAllLogs !== true && options.roleArn !== undefined;
        return { enabled: String(enabled) };
      } catch (err) {
        if (err instanceof Error && err.name === 'NotConfiguredException') return null;
        throw err;
      }
    },
    create: write,
    update: write,
  };
}

/** The group's standing level: whoever is contained is logged, and no release takes that from another. */
export function groupLogLevelResource(iot: IoTClient, group: string): Resource {
  const write = async (): Promise<void> => {
    const logTarget = { targetType: 'THING_GROUP' as const, targetName: group };
    await iot.send(new SetV2LoggingLevelCommand({ logTarget, logLevel: 'INFO' }));
  };
  return {
    kind: 'log level',
    name: group,
    desired: () => ({ level: 'INFO' }),
    async read() {
      const query = { targetType: 'THING_GROUP' as const };
      try {
        for await (const page of paginateListV2LoggingLevels({ client: iot }, query)) {
          const found = page.logTargetConfigurations?.find(
            ({ logTarget }) => logTarget?.targetName === group,
          );
          if (found?.logLevel !== undefined) return { level: found.logLevel };
        }
      } catch (err) {
        // An account that never had logging: the options are made before this level is.
        if (!(err instanceof Error && err.name === 'NotConfiguredException')) throw err;
      }
      return null;
    },
    create: write,
    update: write,
  };
}

/**
 * Search by registry, shadow and connectivity. Settings that are not ours are sent back as they were read, because an
 * update replaces the whole configuration.
 */
export function fleetIndexingResource(iot: IoTClient): Resource {
  const read = () => iot.send(new GetIndexingConfigurationCommand({}));
  const write = async (): Promise<void> => {
    const { thingIndexingConfiguration } = await read();
    await iot.send(
      new UpdateIndexingConfigurationCommand({
        thingIndexingConfiguration: {
          ...thingIndexingConfiguration,
          // AWS sets these and refuses them in a request.
          managedFields: undefined,
          thingIndexingMode: 'REGISTRY_AND_SHADOW',
          thingConnectivityIndexingMode: 'STATUS',
          customFields: [
            ...(thingIndexingConfiguration?.customFields ?? []).filter(
              ({ name }) => !INDEXED_FIELDS.some((ours) => ours.name === name),
            ),
            ...INDEXED_FIELDS,
          ],
        },
      }),
    );
  };
  return {
    kind: 'fleet indexing',
    name: 'AWS_Things',
    desired: () => ({
      things: 'REGISTRY_AND_SHADOW',
      connectivity: 'STATUS',
      fields: fieldsOf(INDEXED_FIELDS),
    }),
    async read() {
      const { thingIndexingConfiguration: now } = await read();
      return {
        things: now?.thingIndexingMode ?? 'OFF',
        connectivity: now?.thingConnectivityIndexingMode ?? 'OFF',
        // Somebody else's are not ours to compare.
        fields: fieldsOf(
          (now?.customFields ?? []).filter(({ name }) =>
            INDEXED_FIELDS.some((ours) => ours.name === name),
          ),
        ),
      };
    },
    create: write,
    update: write,
  };
}

const fieldsOf = (
  fields: readonly { name?: string | undefined; type?: string | undefined }[],
): string =>
  fields
    .map(({ name = '', type = '' }) => `${name} ${type}`)
    .sort()
    .join(', ');

/** `action` may be known only once the queue it names exists; null until then. */
export function ruleResource(
  iot: IoTClient,
  ruleName: string,
  sql: string,
  action: () => Promise<Action | null>,
): Resource {
  const payload = async () => {
    const wanted = await action();
    return {
      sql,
      awsIotSqlVersion: SQL_VERSION,
      ruleDisabled: false,
      actions: wanted === null ? [] : [wanted],
    };
  };
  return {
    kind: 'rule',
    name: ruleName,
    desired: async () => ({
      sql,
      sqlVersion: SQL_VERSION,
      disabled: 'false',
      actions: canonical((await payload()).actions),
    }),
    read: () =>
      ifPresent(async () => {
        const { rule } = await iot.send(new GetTopicRuleCommand({ ruleName }));
        if (rule === undefined) return null;
        return {
          sql: rule.sql ?? '',
          sqlVersion: rule.awsIotSqlVersion ?? '',
          disabled: String(rule.ruleDisabled ?? false),
          actions: canonical(rule.actions ?? []),
        };
      }),
    async create() {
      const topicRulePayload = await payload();
      await iot.send(new CreateTopicRuleCommand({ ruleName, topicRulePayload }));
    },
    async update() {
      const topicRulePayload = await payload();
      await iot.send(new ReplaceTopicRuleCommand({ ruleName, topicRulePayload }));
    },
  };
}
