import {
  DescribeAlarmHistoryCommand,
  DescribeAlarmsCommand,
  GetMetricDataCommand,
} from '@aws-sdk/client-cloudwatch';
import { FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { DEVICE_METRICS, deviceAlarmName, NAMES, THING_DIMENSION } from '../../domain/names';
import type { CloudSource, Window } from '../evidence/deps';
import { isAwsError } from '../failure';
import type { AwsClients } from './clients';

const HISTORY_ITEMS = 100;
const LOG_PAGES = 10;
const LOG_LINES = 2_000;
const LOG_BYTES = 1_000_000;
/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html : at most 100,800 points. */
const POINTS = 1_440;

/** What was seen around the incident: alarms and how they changed, metrics, and AWS IoT's own log of the device. */
export const observationSources = (clients: AwsClients): CloudSource[] => [
  alarms(clients),
  metrics(clients),
  iotLogs(clients),
];

const between = ({ from, to }: Window) => ({ StartDate: new Date(from), EndDate: new Date(to) });

const alarms = ({ cloudwatch }: AwsClients): CloudSource => ({
  what: 'alarms',
  async read({ thing, window, signal: abortSignal }) {
    const names = DEVICE_METRICS.map((metric) => deviceAlarmName(metric, thing));
    const { MetricAlarms } = await cloudwatch.send(
      new DescribeAlarmsCommand({ AlarmNames: names, AlarmTypes: ['MetricAlarm'] }),
      { abortSignal },
    );
    const history = [];
    const partial: string[] = [];
    for (const AlarmName of names) {
      const { AlarmHistoryItems, NextToken } = await cloudwatch.send(
        new DescribeAlarmHistoryCommand({
          ...{ AlarmName, ...between(window), MaxRecords: HISTORY_ITEMS },
          ScanBy: 'TimestampDescending',
        }),
        { abortSignal },
      );
      history.push({ alarm: AlarmName, items: AlarmHistoryItems ?? [] });
      if (NextToken !== undefined)
        partial.push(`only the newest ${HISTORY_ITEMS} changes of ${AlarmName} were read`);
    }
    return { data: { alarms: MetricAlarms ?? [], history }, partial };
  },
});

const metrics = ({ cloudwatch }: AwsClients): CloudSource => ({
  what: 'metrics',
  async read({ thing, window, signal: abortSignal }) {
    const seconds = Math.max(1, (window.to - window.from) / 1_000);
    const Period = Math.ceil(seconds / POINTS / 60) * 60;
    const found = await cloudwatch.send(
      new GetMetricDataCommand({
        StartTime: new Date(window.from),
        EndTime: new Date(window.to),
        MetricDataQueries: DEVICE_METRICS.map((MetricName, at) => ({
          Id: `m${at}`,
          Label: MetricName,
          MetricStat: {
            Metric: {
              ...{ Namespace: NAMES.metricNamespace, MetricName },
              Dimensions: [{ Name: THING_DIMENSION, Value: thing }],
            },
            ...{ Period, Stat: 'Sum' },
          },
        })),
      }),
      { abortSignal },
    );
    const partial = found.NextToken === undefined ? [] : ['there are more points'];
    return { data: { period: Period, results: found.MetricDataResults ?? [] }, partial };
  },
});

/** Connects and disconnects too. AWS may drop lines under load: what is not there says nothing. */
const iotLogs = ({ logs }: AwsClients): CloudSource => ({
  what: 'iot-logs',
  async read({ thing, window, signal: abortSignal }) {
    const lines: { at: string; line: string }[] = [];
    let bytes = 0;
    let nextToken: string | undefined;
    for (let page = 0; page < LOG_PAGES; page += 1) {
      let found;
      try {
        found = await logs.send(
          new FilterLogEventsCommand({
            ...{ logGroupName: NAMES.iotLogGroup, filterPattern: `"${thing}"` },
            ...{ startTime: window.from, endTime: window.to, limit: LOG_LINES },
            ...(nextToken !== undefined && { nextToken }),
          }),
          { abortSignal },
        );
      } catch (err) {
        if (!isAwsError(err, 'ResourceNotFoundException')) throw err;
        return { data: [], partial: [`there is no log group ${NAMES.iotLogGroup}`] };
      }
      for (const { message = '', timestamp = 0 } of found.events ?? []) {
        if (!isOf(thing, message)) continue;
        bytes += message.length;
        if (lines.length === LOG_LINES || bytes > LOG_BYTES)
          return { data: lines, partial: [`only the first ${lines.length} lines were kept`] };
        lines.push({ at: new Date(timestamp).toISOString(), line: message });
      }
      ({ nextToken } = found);
      if (nextToken === undefined) return { data: lines, partial: [] };
    }
    return { data: lines, partial: [`only the first ${LOG_PAGES} pages of the log were read`] };
  },
});

/** The filter's words match anywhere in the line, and another device could name this one. */
function isOf(thing: string, line: string): boolean {
  try {
    const entry: unknown = JSON.parse(line);
    return typeof entry === 'object' && entry !== null && Reflect.get(entry, 'clientId') === thing;
  } catch {
    return false;
  }
}
