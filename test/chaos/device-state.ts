import {
  DescribeCertificateCommand,
  ListAttachedPoliciesCommand,
  ListJobExecutionsForThingCommand,
  ListThingGroupsForThingCommand,
  ListThingPrincipalsCommand,
  ListV2LoggingLevelsCommand,
} from '@aws-sdk/client-iot';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { AwsClients } from '../../activities/aws/clients';
import { recordsBucket } from '../../domain/names';

/** What a release must restore, read with the bare SDK rather than with the code under test. */
export type DeviceState = Record<string, string>;

export async function readState(clients: AwsClients, thing: string): Promise<DeviceState> {
  const { iot } = clients;
  const state: DeviceState = {};
  const { thingGroups = [] } = await iot.send(
    new ListThingGroupsForThingCommand({ thingName: thing }),
  );
  state.groups = sorted(thingGroups.map(({ groupName }) => groupName));
  const { principals = [] } = await iot.send(new ListThingPrincipalsCommand({ thingName: thing }));
  state.certificates = sorted(principals);
  for (const principal of principals) {
    const { policies = [] } = await iot.send(
      new ListAttachedPoliciesCommand({ target: principal }),
    );
    const certificateId = principal.slice(principal.indexOf('/') + 1);
    const { certificateDescription } = await iot.send(
      new DescribeCertificateCommand({ certificateId }),
    );
    state[`policies of ${principal}`] = sorted(policies.map(({ policyName }) => policyName));
    state[`status of ${principal}`] = certificateDescription?.status ?? '';
  }
  state['log level'] = await logLevel(clients, thing);
  state.record = await recordOf(clients, thing);
  return state;
}

async function logLevel({ iot }: AwsClients, thing: string): Promise<string> {
  const { logTargetConfigurations = [] } = await iot.send(
    new ListV2LoggingLevelsCommand({ targetType: 'CLIENT_ID' }),
  );
  const own = logTargetConfigurations.find(({ logTarget }) => logTarget?.targetName === thing);
  return own?.logLevel ?? 'none';
}

async function recordOf({ s3, iot }: AwsClients, thing: string): Promise<string> {
  const { principals = [] } = await iot.send(new ListThingPrincipalsCommand({ thingName: thing }));
  const accountId = principals[0]?.split(':')[4] ?? '';
  const { Contents = [] } = await s3.send(
    new ListObjectsV2Command({ Bucket: recordsBucket(accountId) }),
  );
  return sorted(Contents.map(({ Key }) => Key).filter((key) => key?.includes(thing) === true));
}

/** Job executions of the thing that are not terminal. */
export async function unsettledJobs({ iot }: AwsClients, thing: string): Promise<string[]> {
  const open: string[] = [];
  for (const status of ['QUEUED', 'IN_PROGRESS'] as const) {
    const { executionSummaries = [] } = await iot.send(
      new ListJobExecutionsForThingCommand({ thingName: thing, status }),
    );
    open.push(...executionSummaries.flatMap(({ jobId }) => (jobId === undefined ? [] : [jobId])));
  }
  return open;
}

export function differences(before: DeviceState, after: DeviceState): string[] {
  const fields = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...fields]
    .filter((field) => before[field] !== after[field])
    .map((field) => `${field}: was ${before[field] ?? '-'}, is ${after[field] ?? '-'}`);
}

const sorted = (values: (string | undefined)[]): string =>
  values
    .filter((value) => value !== undefined)
    .sort()
    .join(', ');
