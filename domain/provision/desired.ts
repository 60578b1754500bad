import { NAMES } from '../names';
import type { Place } from '../policy/types';

export { partitionOf } from '../policy/place';

/** Rules, roles and queue policies as they should be. Pure: the same place gives the same text. */

const arn = ({ partition, region, accountId }: Place, service: string, rest: string): string =>
  `arn:${partition}:${service}:${region}:${accountId}:${rest}`;

export const queueArn = (place: Place, queue: string): string => arn(place, 'sqs', queue);
export const tableArn = (place: Place, table: string): string =>
  arn(place, 'dynamodb', `table/${table}`);
export const topicArn = (place: Place, topic: string): string => arn(place, 'sns', topic);
export const roleArn = ({ partition, accountId }: Place, role: string): string =>
  `arn:${partition}:iam::${accountId}:role/${role}`;

/** Only this account's rules may use the role: no confused deputy. */
export const rulesTrust = (place: Place) => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { Service: 'iot.amazonaws.com' },
      Action: 'sts:AssumeRole',
      Condition: { StringEquals: { 'aws:SourceAccount': place.accountId } },
    },
  ],
});

/** What rules deliver to, and what AWS IoT needs to write its own log. */
export const rulesPermissions = (place: Place) => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Action: 'sqs:SendMessage',
      Resource: [queueArn(place, NAMES.telemetryQueue), queueArn(place, NAMES.presenceQueue)],
    },
    { Effect: 'Allow', Action: 'dynamodb:PutItem', Resource: tableArn(place, NAMES.probeTable) },
    {
      Effect: 'Allow',
      Action: [
        'logs:CreateLogGroup',
        'logs:CreateLogStream',
        'logs:PutLogEvents',
        'logs:PutMetricFilter',
        'logs:PutRetentionPolicy',
      ],
      Resource: arn(place, 'logs', `log-group:${NAMES.iotLogGroup}:*`),
    },
  ],
});

export const queuePolicy = (place: Place, queue: string) => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { AWS: roleArn(place, NAMES.rulesRole) },
      Action: 'sqs:SendMessage',
      Resource: queueArn(place, queue),
    },
  ],
});

export const SQL_VERSION = '2016-03-23';

/** The alias stands last, so that a device can't name another one in its payload. */
export const TELEMETRY_SQL = "SELECT *, topic(2) AS thing FROM 'dt/+/telemetry'";
/** A comparison with an absent field is not true, so only probes match; Int by Int is an Int, so these are seconds. */
export const PROBE_SQL =
  'SELECT probe AS nonce, topic(2) AS thing, timestamp() AS receivedAt, ' +
  "timestamp() / 1000 + 604800 AS expiresAt FROM 'dt/+/telemetry' WHERE probe <> ''";
export const PRESENCE_SQL = "SELECT * FROM '$aws/events/presence/+/+'";

/** DynamoDB deletes probe nonces some time after this epoch second. */
export const PROBE_TTL_ATTRIBUTE = 'expiresAt';
