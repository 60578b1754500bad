import type { Alarm } from './types';

/** Where alarms are read again, because a signed message is not yet a true one. */
export interface AlarmSource {
  /** The alarm as it is now; null where there is none of that name. Throws where the source can't be asked. */
  readAlarm(name: string, region: string): Promise<Alarm | null>;
  /** `refused`: the token is not, or no longer, good. Throws where the source can't be asked. Safe to repeat. */
  confirmSubscription(topicArn: string, token: string): Promise<'confirmed' | 'refused'>;
}
