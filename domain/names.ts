/** Names of the AWS resources that `npm run provision` makes and everything else uses. */
export const NAMES = {
  thingType: 'iot-runbooks-device',
  devicePolicy: 'iot-runbooks-device',
  /** A root group of its own: AWS allows a thing in one group per hierarchy. */
  quarantineGroup: 'iot-runbooks-quarantine',
  /** Attached to the quarantine group and, while contained, to each certificate of the thing. */
  quarantinePolicy: 'iot-runbooks-quarantine',
  siteRoot: 'iot-runbooks-sites',
  hardwareRoot: 'iot-runbooks-hardware',
  /** Above the groups of waves, apart from all others for the same reason. */
  waveRoot: 'iot-runbooks-waves',
  guardTable: 'iot-runbooks-guard',
  /** One item per probe nonce that arrived, written by the probe rule. */
  probeTable: 'iot-runbooks-probes',
  telemetryRule: 'iot_runbooks_telemetry',
  probeRule: 'iot_runbooks_probe',
  presenceRule: 'iot_runbooks_presence',
  telemetryQueue: 'iot-runbooks-telemetry',
  presenceQueue: 'iot-runbooks-presence',
  alarmTopic: 'iot-runbooks-alarms',
  /** What a runbook tells people who don't look at it. */
  pageTopic: 'iot-runbooks-pages',
  rulesRole: 'iot-runbooks-rules',
  /** Taken by AWS IoT Jobs to sign the URLs that devices upload bundles to. */
  uploadRole: 'iot-runbooks-upload',
  iotLogGroup: 'AWSIotLogsV2',
  metricNamespace: 'IotRunbooks/Device',
} as const;

/** Holds the containment records that the reconciler and break-glass read. */
export const recordsBucket = (accountId: string): string => `iot-runbooks-records-${accountId}`;
/** Where devices upload to: unlocked, and emptied by age. What arrives is checked, then copied to the evidence. */
export const intakeBucket = (accountId: string): string => `iot-runbooks-intake-${accountId}`;
/** With object lock. The heads of its chains are in the records bucket, which other people may write. */
export const evidenceBucket = (accountId: string): string => `iot-runbooks-evidence-${accountId}`;
export const siteGroup = (site: string): string => `site-${site}`;
export const hardwareGroup = (hardware: string): string => `hardware-${hardware}`;
/** One alarm per device and metric; the dimension `ThingName` names the thing. */
export const deviceAlarmName = (metric: DeviceMetric, thing: string): string =>
  `iot-runbooks/${metric}/${thing}`;

/** Per-device metrics, published with the one dimension `ThingName`. */
export const DEVICE_METRICS = ['RefusedPublishes', 'ApplicationRestarts'] as const;
export type DeviceMetric = (typeof DEVICE_METRICS)[number];
export const THING_DIMENSION = 'ThingName';

/**
 * AWS allows `[a-zA-Z0-9:_-]+`, at most 128, in a thing name; a device's client id is its thing name,
 * and ours may not hold `:` because thing names also stand in workflow ids, topics and file names.
 */
export const THING_NAME = /^[a-zA-Z0-9_-]{1,128}$/;

/**
 * What the fleet index aggregates by, beside what AWS manages itself; an account may have few custom fields:
 * https://docs.aws.amazon.com/iot/latest/developerguide/managing-index.html
 */
export const INDEXED_FIELDS = [
  { name: 'shadow.reported.firmware.version', type: 'String' },
  { name: 'shadow.reported.health', type: 'String' },
] as const;
