import {
  AddThingToThingGroupCommand,
  AttachPolicyCommand,
  DeleteV2LoggingLevelCommand,
  DescribeCertificateCommand,
  DescribeThingCommand,
  DetachPolicyCommand,
  GetPolicyCommand,
  ListAttachedPoliciesCommand,
  ListPrincipalThingsCommand,
  ListThingGroupsForThingCommand,
  ListThingPrincipalsCommand,
  ListV2LoggingLevelsCommand,
  RemoveThingFromThingGroupCommand,
  SetV2LoggingLevelCommand,
} from '@aws-sdk/client-iot';
import { DeleteConnectionCommand, GetConnectionCommand } from '@aws-sdk/client-iot-data-plane';
import type { AwsClients } from '../activities/aws/clients';
import { NAMES } from '../domain/names';

export type BareClients = Pick<AwsClients, 'iot' | 'iotData'>;

/**
 * The floor that containment is measured against: a plain script that makes the AWS calls of a containment one after the
 * other, with no guard, no record, no retries of its own and no proof. Returns milliseconds from the first call to the
 * dropped session.
 */
export async function containBare({ iot, iotData }: BareClients, thing: string): Promise<number> {
  const from = performance.now();
  await iot.send(new DescribeThingCommand({ thingName: thing }));
  await iot.send(new ListThingGroupsForThingCommand({ thingName: thing }));
  const { principals = [] } = await iot.send(new ListThingPrincipalsCommand({ thingName: thing }));
  for (const principal of principals) await readCertificate(iot, principal);
  await iot.send(new ListV2LoggingLevelsCommand({ targetType: 'CLIENT_ID' }));
  await iotData.send(new GetConnectionCommand({ clientId: thing }));

  await iot.send(
    new AddThingToThingGroupCommand({ thingName: thing, thingGroupName: NAMES.quarantineGroup }),
  );
  for (const target of principals) {
    await iot.send(new AttachPolicyCommand({ policyName: NAMES.quarantinePolicy, target }));
  }
  await iot.send(new SetV2LoggingLevelCommand({ logTarget: clientOf(thing), logLevel: 'DEBUG' }));
  await iotData.send(new DeleteConnectionCommand({ clientId: thing }));
  return performance.now() - from;
}

async function readCertificate(iot: BareClients['iot'], principal: string): Promise<void> {
  const certificateId = principal.slice(principal.indexOf('/') + 1);
  await iot.send(new DescribeCertificateCommand({ certificateId }));
  const { policies = [] } = await iot.send(new ListAttachedPoliciesCommand({ target: principal }));
  await iot.send(new ListPrincipalThingsCommand({ principal }));
  for (const { policyName } of policies) await iot.send(new GetPolicyCommand({ policyName }));
}

/** Undoes `containBare`, so that the device can be used again. Safe to repeat. */
export async function releaseBare({ iot }: BareClients, thing: string): Promise<void> {
  const { principals = [] } = await iot.send(new ListThingPrincipalsCommand({ thingName: thing }));
  for (const target of principals) {
    await iot.send(new DetachPolicyCommand({ policyName: NAMES.quarantinePolicy, target }));
  }
  await iot.send(
    new RemoveThingFromThingGroupCommand({
      thingName: thing,
      thingGroupName: NAMES.quarantineGroup,
    }),
  );
  await iot.send(new DeleteV2LoggingLevelCommand(clientOf(thing)));
}

const clientOf = (thing: string) => ({ targetType: 'CLIENT_ID' as const, targetName: thing });
