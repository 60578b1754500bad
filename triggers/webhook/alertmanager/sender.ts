import type { Alarm } from '../../../domain/alarm/types';
import { createKeyCheck } from '../credentials';
import { takeAlarm, type Delivery, type DeliveryCode, type DeliveryDeps } from '../delivery';
import type { SourceCheck } from '../delivery';
import { parseJsonBody } from '../json-body';
import type { Sender } from '../sender';
import { ALERTMANAGER_DESCRIPTION } from './description';
import { identity, payload, toAlarm, type DimensionByLabel, type Labels } from './payload';
import type { AlertmanagerSource } from './source';

export interface AlertmanagerSenderDeps extends Omit<DeliveryDeps, 'memory'> {
  /** Any of them is good. */
  tokens: readonly string[];
  dimensions: DimensionByLabel;
  /** Absent: nothing can be read again, and only routes with `verify: sender` take its alerts. */
  source?: AlertmanagerSource;
}

type Taken = { alarm: Alarm | null; labels: Labels };

const AUTHORIZATION = /^Bearer +([^ ]+)$/i;
/** One request must not open a thousand calls at once. */
const AT_ONCE = 16;
const MAX_MESSAGE_ID = 200;
/** Asked for again: what was taken already is a duplicate then. */
const RETRIED = ['temporalUnreachable', 'alertmanagerUnreachable'] as const;

/**
 * A group of alerts by Alertmanager, which does not sign: a bearer token says who it is, and Alertmanager's API what is
 * true. It repeats after 5xx, and after other failures at the group's next interval.
 */
export function createAlertmanagerSender(deps: AlertmanagerSenderDeps): Sender {
  const isToken = createKeyCheck(deps.tokens);
  return {
    name: 'alertmanager',
    contentTypes: ['application/json'],
    description: ALERTMANAGER_DESCRIPTION,
    refuse({ authorization }) {
      const token = AUTHORIZATION.exec(authorization ?? '')?.[1];
      return token !== undefined && isToken(token) ? null : 'unauthenticated';
    },
    async receive(raw) {
      const body = parseJsonBody(raw);
      if (body === undefined) return { code: 'malformed' };
      const parsed = payload.safeParse(body);
      if (!parsed.success) return { code: 'notAnAlarm' };
      const { alerts, groupKey } = parsed.data;
      const taken = alerts.map((alert) => ({
        alarm: toAlarm(alert, deps.dimensions),
        labels: alert.labels,
      }));
      return { ...(await takeAll(deps, taken)), messageId: groupKey.slice(0, MAX_MESSAGE_ID) };
    },
  };
}

async function takeAll(deps: AlertmanagerSenderDeps, alerts: readonly Taken[]): Promise<Delivery> {
  const check = checkAtAlertmanager(deps, alerts);
  const counts: Partial<Record<DeliveryCode, number>> = {};
  const queue = alerts.values();
  const work = async (): Promise<void> => {
    for (const { alarm } of queue) {
      const { code } = alarm === null ? { code: 'notAnAlarm' as const } : await take(alarm);
      counts[code] = (counts[code] ?? 0) + 1;
    }
  };
  const take = (alarm: Alarm): Promise<Delivery> =>
    takeAlarm(deps, deps.source === undefined ? { ...alarm, unverified: true } : alarm, check);
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { code: RETRIED.find((code) => counts[code] !== undefined) ?? 'batch', counts };
}

/** Alertmanager is asked once for the whole group, and only where an alert of it has a route. */
function checkAtAlertmanager(deps: AlertmanagerSenderDeps, alerts: readonly Taken[]): SourceCheck {
  const { source } = deps;
  if (source === undefined) return (claimed) => Promise.resolve(claimed);
  const read = async (): Promise<Map<string, string> | null> => {
    try {
      const firing = await source.readFiring(commonOf(alerts.map(({ labels }) => labels)));
      return new Map(firing.map(({ labels, startsAt }) => [identity(labels), startsAt]));
    } catch (error) {
      deps.onFailure('read alerts', error);
      return null;
    }
  };
  let asked: ReturnType<typeof read> | undefined;
  return async (claimed) => {
    const startsAt = await (asked ??= read());
    if (startsAt === null) return { code: 'alertmanagerUnreachable' };
    const stateChangedAt = startsAt.get(claimed.arn);
    return stateChangedAt === undefined
      ? { ...claimed, state: 'OK' }
      : { ...claimed, stateChangedAt };
  };
}

function commonOf(all: readonly Labels[]): Labels {
  const [first = {}, ...others] = all;
  return Object.fromEntries(
    Object.entries(first).filter(([name, value]) => others.every((each) => each[name] === value)),
  );
}
