import { z } from 'zod';

import type { AlarmSource } from '../../domain/alarm/source';
import type { Alarm } from '../../domain/alarm/types';
import type { Delivery, DeliveryDeps, SourceCheck } from './delivery';

/** CloudWatch refuses a name with control characters, and a refusal would look like an outage. */
export const alarmName = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[ -~\u00a0-\uffff]+$/);
export const alarmArn = z.string().min(1).max(1600);
export const accountId = z.string().regex(/^\d{12}$/);
export const alarmState = z.enum(['ALARM', 'OK', 'INSUFFICIENT_DATA']);

/** How a check at CloudWatch can end. */
export const CHECK_CODES = ['alarmUnknown', 'alarmDiffers', 'awsUnreachable'] as const;

/** Whichever way an alarm came, CloudWatch's own answer is what starts the intake, and so makes its id. */
export function checkAtCloudWatch(
  deps: Pick<DeliveryDeps, 'onFailure'> & { alarms: AlarmSource },
): SourceCheck {
  return async (claimed): Promise<Alarm | Delivery> => {
    let alarm: Alarm | null;
    try {
      alarm = await deps.alarms.readAlarm(claimed.name, claimed.region);
    } catch (error) {
      deps.onFailure('read alarm', error);
      return { code: 'awsUnreachable' };
    }
    if (alarm === null) return { code: 'alarmUnknown' };
    const sameArn = claimed.arn === '' || claimed.arn === alarm.arn;
    return sameArn || alarm.state !== 'ALARM' ? alarm : { code: 'alarmDiffers' };
  };
}
