import type { Alarm, AlarmIntakeInput } from '../domain/alarm/types';
import type { QuarantineInput } from '../domain/quarantine/types';
import { quarantineId } from '../domain/ids';
import { toFailure } from './failure';

export interface RunbookStart {
  workflowId: string;
  input: QuarantineInput;
  alarm: Alarm;
  /** Alarm event id: the same event delivered twice is one Update. */
  updateId: string;
}

export interface IntakeDeps {
  /** Update-with-start: an open run receives the alarm, otherwise one is started that does. Idempotent by `updateId`. */
  startOrTell(start: RunbookStart): Promise<void>;
}

export type IntakeActivities = ReturnType<typeof createIntakeActivities>;

export function createIntakeActivities(deps: IntakeDeps) {
  return {
    /** Hands one alarm to the device's runbook. Safe to retry: the device's id is the lock and the event's id the Update's. */
    async deliverAlarm({
      alarm,
      route,
      eventId,
    }: AlarmIntakeInput & { eventId: string }): Promise<void> {
      try {
        await deps.startOrTell({
          workflowId: quarantineId(route.thing),
          input: {
            thing: route.thing,
            reason: `${nameOf(alarm)}: ${alarm.reason}`.slice(0, 512),
            severity: route.severity,
            alarm,
          },
          alarm,
          updateId: eventId,
        });
      } catch (err) {
        throw toFailure('hand the alarm over', err);
      }
    },
  };
}

/** Who decides about the device must know that only the sender of the alarm vouches for it. */
const nameOf = ({ name, source, unverified }: Alarm): string =>
  unverified === true ? `unverified alarm ${name} of ${source}` : `alarm ${name}`;
