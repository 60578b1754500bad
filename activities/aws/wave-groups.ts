import {
  AddThingToThingGroupCommand,
  CreateThingGroupCommand,
  DeleteThingGroupCommand,
  DescribeThingGroupCommand,
  paginateListThingGroupsForThing,
  RemoveThingFromThingGroupCommand,
  type IoTClient,
} from '@aws-sdk/client-iot';
import { NAMES } from '../../domain/names';
import { isAwsError } from '../failure';
import type { WaveGroups } from '../rollout/deps';

/** Static groups below `NAMES.waveRoot`, which provisioning makes. They hold no policies and only serve as a job's target. */
export function createWaveGroups(iot: IoTClient): WaveGroups {
  return {
    /** AWS answers the same for a group that is there with the same parent; with another it is not ours, and fails. */
    async create(thingGroupName) {
      const { thingGroupArn } = await iot.send(
        new CreateThingGroupCommand({ thingGroupName, parentGroupName: NAMES.waveRoot }),
      );
      if (thingGroupArn === undefined) throw new Error(`AWS tells no ARN of ${thingGroupName}`);
      return thingGroupArn;
    },
    async add(thing, group) {
      try {
        await add(iot, thing, group);
      } catch (err) {
        // One group per hierarchy. Who leases the thing may take it out of one that a rollout left behind.
        if (!isAwsError(err, 'InvalidRequestException')) throw err;
        if (!(await leaveOthers(iot, thing, group))) throw err;
        await add(iot, thing, group);
      }
    },
    /** AWS deletes a group with its members; only child groups would hinder. One that is gone is success there, too. */
    async remove(thingGroupName) {
      await iot.send(new DeleteThingGroupCommand({ thingGroupName }));
    },
  };
}

const add = async (iot: IoTClient, thingName: string, thingGroupName: string): Promise<void> => {
  await iot.send(new AddThingToThingGroupCommand({ thingName, thingGroupName }));
};

/** Whether there was another wave's group to leave. */
async function leaveOthers(iot: IoTClient, thingName: string, group: string): Promise<boolean> {
  let left = false;
  const query = { thingName };
  for await (const page of paginateListThingGroupsForThing({ client: iot }, query))
    for (const { groupName } of page.thingGroups ?? []) {
      if (groupName === undefined || groupName === group) continue;
      const { thingGroupMetadata } = await iot.send(
        new DescribeThingGroupCommand({ thingGroupName: groupName }),
      );
      if (thingGroupMetadata?.parentGroupName !== NAMES.waveRoot) continue;
      await iot.send(
        new RemoveThingFromThingGroupCommand({ thingName, thingGroupName: groupName }),
      );
      left = true;
    }
  return left;
}
