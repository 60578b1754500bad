/** Who raises alarms; a route names those that it takes. */
export type AlarmSystem = 'cloudwatch' | 'alertmanager' | 'webhook';

/** One alarm state change, whoever sent it. Times are ISO 8601 in UTC. */
export interface Alarm {
  source: AlarmSystem;
  name: string;
  /** Which alarm it is, and with `stateChangedAt` which event: the ARN; of others `<source>:<hash>`. */
  arn: string;
  /** Empty where the alarm is none of AWS. */
  accountId: string;
  /** Empty where the alarm is none of AWS. */
  region: string;
  state: 'ALARM' | 'OK' | 'INSUFFICIENT_DATA';
  stateChangedAt: string;
  reason: string;
  dimensions: Record<string, string>;
  /** Only its sender says so: it was not, or can't be, read again at its source. */
  unverified?: true;
}

export type Severity = 'low' | 'medium' | 'high' | 'critical';

/** What the runbook's YAML made of an alarm: never taken from the payload. */
export interface AlarmRoute {
  runbook: 'quarantine';
  thing: string;
  severity: Severity;
}

/** Argument of the intake workflow `alarmIntake`. */
export interface AlarmIntakeInput {
  alarm: Alarm;
  route: AlarmRoute;
}
