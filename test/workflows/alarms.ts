import type { Alarm } from '../../domain/alarm/types';
import { deviceAlarmName } from '../../domain/names';
import type { Bed } from './bed';

/** The `nth` change of state of the thing's alarm. */
export function alarmOf({ emulator }: Bed, thing: string, nth: number): Alarm {
  const name = deviceAlarmName('RefusedPublishes', thing);
  const { region, accountId } = emulator;
  return {
    source: 'cloudwatch',
    name,
    arn: `arn:aws:cloudwatch:${region}:${accountId}:alarm:${name}`,
    accountId,
    region,
    state: 'ALARM',
    stateChangedAt: new Date(Date.now() + nth).toISOString(),
    reason: 'more than 5 refused publishes',
    dimensions: { ThingName: thing },
  };
}
