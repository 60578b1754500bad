/** One alarm state change, whoever sent it. Times are ISO 8601 in UTC. */
export interface Alarm {
  source: 'cloudwatch';
  name: string;
  arn: string;
  accountId: string;
  region: string;
  state: 'ALARM' | 'OK' | 'INSUFFICIENT_DATA';
  stateChangedAt: string;
  reason: string;
  dimensions: Record<string, string>;
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
