import {
  AddThingToThingGroupCommand,
  AttachPolicyCommand,
  DescribeCertificateCommand,
  DescribeThingCommand,
  DetachPolicyCommand,
  GetEffectivePoliciesCommand,
  GetPolicyCommand,
  paginateListAttachedPolicies,
  paginateListPrincipalThings,
  paginateListThingGroupsForThing,
  paginateListThingPrincipals,
  paginateListThingsInThingGroup,
  paginateListThings,
  RemoveThingFromThingGroupCommand,
  UpdateCertificateCommand,
  type IoTClient,
} from '@aws-sdk/client-iot';
import type { NamedDocument } from '../../domain/policy/types';
import { isAwsError } from '../failure';

export type IotRegistry = ReturnType<typeof createIotRegistry>;

const certificateId = (arn: string): string => arn.slice(arn.indexOf('/') + 1);

/**
 * Things, groups, certificates and policies of the AWS IoT registry.
 * Adding to a group, attaching and detaching a policy are idempotent on AWS: repeating them changes nothing.
 */
export function createIotRegistry(iot: IoTClient) {
  return {
    ...reads(iot),

    async addToGroup(thing: string, group: string): Promise<void> {
      await iot.send(new AddThingToThingGroupCommand({ thingName: thing, thingGroupName: group }));
    },
    async removeFromGroup(thing: string, group: string): Promise<void> {
      await iot.send(
        new RemoveThingFromThingGroupCommand({ thingName: thing, thingGroupName: group }),
      );
    },
    async attachPolicy(policy: string, target: string): Promise<void> {
      await iot.send(new AttachPolicyCommand({ policyName: policy, target }));
    },
    /** Detaching what is not attached is success. */
    async detachPolicy(policy: string, target: string): Promise<void> {
      try {
        await iot.send(new DetachPolicyCommand({ policyName: policy, target }));
      } catch (err) {
        if (!isAwsError(err, 'ResourceNotFoundException')) throw err;
      }
    },
    /** Only the two reversible states: `REVOKED` is final and is nobody's automatic step. */
    async setCertificateStatus(arn: string, status: 'ACTIVE' | 'INACTIVE'): Promise<void> {
      await iot.send(
        new UpdateCertificateCommand({ certificateId: certificateId(arn), newStatus: status }),
      );
    },
  };
}

function reads(iot: IoTClient) {
  return {
    async thingExists(thing: string): Promise<boolean> {
      try {
        await iot.send(new DescribeThingCommand({ thingName: thing }));
        return true;
      } catch (err) {
        if (isAwsError(err, 'ResourceNotFoundException')) return false;
        throw err;
      }
    },
    /** Static groups the thing is directly in. */
    async groupsOf(thing: string): Promise<string[]> {
      const groups: string[] = [];
      for await (const page of paginateListThingGroupsForThing(
        { client: iot },
        { thingName: thing },
      ))
        for (const group of page.thingGroups ?? []) groups.push(group.groupName ?? '');
      return groups.sort();
    },
    /** ARNs of the thing's certificates; other principals (Cognito identities) are not devices. */
    async certificatesOf(thing: string): Promise<string[]> {
      const arns: string[] = [];
      for await (const page of paginateListThingPrincipals({ client: iot }, { thingName: thing }))
        arns.push(...(page.principals ?? []).filter((arn) => arn.includes(':cert/')));
      return arns.sort();
    },
    async thingsOf(certificateArn: string): Promise<string[]> {
      const things: string[] = [];
      const query = { principal: certificateArn };
      for await (const page of paginateListPrincipalThings({ client: iot }, query))
        things.push(...(page.things ?? []));
      return things.sort();
    },
    async certificateStatus(arn: string): Promise<string> {
      const { certificateDescription } = await iot.send(
        new DescribeCertificateCommand({ certificateId: certificateId(arn) }),
      );
      return certificateDescription?.status ?? 'UNKNOWN';
    },
    async policiesOf(target: string): Promise<string[]> {
      const names: string[] = [];
      for await (const page of paginateListAttachedPolicies({ client: iot }, { target }))
        for (const policy of page.policies ?? []) names.push(policy.policyName ?? '');
      return names.sort();
    },
    /** Documents that apply to the certificate itself and to the groups of the thing, parents included. */
    async effectivePolicies(thing: string, certificateArn: string): Promise<NamedDocument[]> {
      const { effectivePolicies } = await iot.send(
        new GetEffectivePoliciesCommand({ thingName: thing, principal: certificateArn }),
      );
      return (effectivePolicies ?? []).map((policy) => ({
        policy: policy.policyName ?? '',
        document: policy.policyDocument ?? '{}',
      }));
    },
    async policyDocument(name: string): Promise<string> {
      const { policyDocument } = await iot.send(new GetPolicyCommand({ policyName: name }));
      return policyDocument ?? '{}';
    },
    async membersOf(group: string): Promise<string[]> {
      const things: string[] = [];
      const query = { thingGroupName: group };
      for await (const page of paginateListThingsInThingGroup({ client: iot }, query))
        things.push(...(page.things ?? []));
      return things.sort();
    },
    async countThings(thingType: string): Promise<number> {
      let count = 0;
      for await (const page of paginateListThings({ client: iot }, { thingTypeName: thingType }))
        count += page.things?.length ?? 0;
      return count;
    },
  };
}
