import { paginateDescribeAlarms, type CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { THING_DIMENSION } from '../../domain/names';
import type { RaisedAlarm, ScopedAlarms } from '../rollout/deps';

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html */
const PAGE = 100;

/** Metric and composite alarms. Only those in ALARM are told, so that calls grow with trouble and not with the fleet. */
export function createScopedAlarms(cloudwatch: CloudWatchClient): ScopedAlarms {
  return {
    async raised(AlarmNamePrefix) {
      const raised: RaisedAlarm[] = [];
      const query = {
        AlarmNamePrefix,
        StateValue: 'ALARM' as const,
        AlarmTypes: ['MetricAlarm' as const, 'CompositeAlarm' as const],
      };
      for await (const page of paginateDescribeAlarms(
        { client: cloudwatch, pageSize: PAGE },
        query,
      ))
        for (const alarm of [...(page.MetricAlarms ?? []), ...(page.CompositeAlarms ?? [])]) {
          const { AlarmName: name } = alarm;
          // The last change of the value itself; the other time also moves when only the evaluation changes.
          const since = alarm.StateTransitionedTimestamp ?? alarm.StateUpdatedTimestamp;
          if (name === undefined || since === undefined) continue;
          const dimensions = 'Dimensions' in alarm ? alarm.Dimensions : undefined;
          const thing = dimensions?.find(({ Name }) => Name === THING_DIMENSION)?.Value ?? null;
          raised.push({ name, thing, since: since.getTime() });
        }
      return raised;
    },
  };
}
