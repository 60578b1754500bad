import { THING_NAME } from '../names';
import type { QuarantineRunbook, RouteRule } from '../runbook';
import type { Alarm, AlarmRoute } from './types';

/** AWS's limit on an alarm name. */
const MAX_ALARM_NAME = 255;

/** Why an alarm starts nothing; `reason` is one sentence for the log and the acknowledgement. */
export interface NoRoute {
  none: string;
}

/**
 * Which runbook an alarm starts, for which thing and how urgently: the first matching rule's answer, and
 * never the payload's beyond the subject dimension. No dimension, or one that is not a thing name, means no device.
 */
export function routeAlarm(
  alarm: Alarm,
  runbooks: readonly QuarantineRunbook[],
): AlarmRoute | NoRoute {
  if (alarm.state !== 'ALARM') return { none: 'the alarm is not in ALARM state' };
  for (const runbook of runbooks) {
    const rule = runbook.routes.find((candidate) => matches(candidate, alarm));
    if (rule === undefined) continue;
    if (alarm.unverified === true && rule.verify === 'source')
      return { none: 'the route takes only alarms that were read again at their source' };
    const thing = Object.hasOwn(alarm.dimensions, rule.subject)
      ? alarm.dimensions[rule.subject]
      : undefined;
    if (thing === undefined) return { none: `the alarm has no dimension ${rule.subject}` };
    if (!THING_NAME.test(thing)) return { none: `dimension ${rule.subject} is not a thing name` };
    return { runbook: runbook.name, thing, severity: rule.severity };
  }
  return { none: 'no runbook has a route for this alarm' };
}

function matches(rule: RouteRule, alarm: Alarm): boolean {
  return (
    rule.sources.includes(alarm.source) &&
    isListed(rule.accounts, alarm.accountId) &&
    isListed(rule.regions, alarm.region) &&
    matchesGlob(rule.alarm, alarm.name)
  );
}

const isListed = (allowed: 'any' | string[], value: string): boolean =>
  allowed === 'any' || allowed.includes(value);

/** `*` stands for one or more characters other than `/`; everything else, case included, for itself. */
export function matchesGlob(pattern: string, text: string): boolean {
  if (text.length > MAX_ALARM_NAME) return false;
  const literal = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&'));
  return new RegExp(`^${literal.join('[^/]+')}$`).test(text);
}
