import {
  hostileRequest,
  UNTRUE,
  validMessage,
  type Random,
  type Signing,
} from './webhook-requests';
import { ALERTED, hostileShot, TOLD, validShots, type Shot } from './webhook-senders';

const VALID_SAMPLES = 20;
const VALID_OF_OTHERS = VALID_SAMPLES + ALERTED.length + TOLD.length;
const REPEATS = 1_000;
/** The rest goes to the other senders. */
const SNS_SHARE = 0.6;
export const REPEATED = 'repeated';
export const sampleThings = Array.from({ length: VALID_SAMPLES }, (_, index) => `sample-${index}`);
export const repeatsOf = (requests: number): number => Math.min(REPEATS, requests);

const ofSns = (
  body: string | Buffer,
  valid: boolean,
  type = 'text/plain; charset=UTF-8',
): Shot => ({
  path: '/alarms/sns',
  headers: { 'content-type': type },
  body,
  valid,
});

/** Hostile requests with the valid samples of every sender, and the repeats of one alarm, spread among them. */
export function* shotsOf(requests: number, random: Random, signing: Signing): Generator<Shot> {
  const repeats = repeatsOf(requests);
  const message = (thing: string): string => JSON.stringify(validMessage(signing, thing));
  const replayed = message(REPEATED);
  const others = validShots(sampleThings);
  let good = validMessage(signing, REPEATED);
  yield ofSns(replayed, true);
  for (let index = 0; index < requests; index += 1) {
    if (index % 100 === 0)
      good = validMessage(signing, sampleThings[index % VALID_SAMPLES] ?? REPEATED);
    const sample = sampleThings[(index * VALID_SAMPLES) / requests];
    if (sample !== undefined) yield ofSns(message(sample), true);
    // Made when they are sent: a signature is good for five minutes.
    const other = isDue(index, requests) ? others.next().value : undefined;
    if (other !== undefined) yield other;
    if (index < repeats - 1) yield ofSns(message(REPEATED), true);
    yield random() < SNS_SHARE
      ? hostileMessage(random, good, replayed, signing)
      : hostileShot(random, sampleThings);
  }
}

/** True of as many indexes as the other senders have valid shots. */
function isDue(index: number, requests: number): boolean {
  const due = (sent: number): number => Math.floor((sent * VALID_OF_OTHERS) / requests);
  return due(index + 1) > due(index);
}

function hostileMessage(
  random: Random,
  good: ReturnType<typeof validMessage>,
  replayed: string,
  signing: Signing,
): Shot {
  const dice = random();
  if (dice < 0.02) {
    const untrue = Object.values(UNTRUE);
    const alarm = untrue[Math.floor(random() * untrue.length)]?.(REPEATED);
    const message = validMessage(signing, REPEATED, { Message: JSON.stringify(alarm) });
    return ofSns(JSON.stringify(message), false);
  }
  if (dice < 0.05) return ofSns(replayed, false);
  const { body, contentType } = hostileRequest(random, good, signing);
  return ofSns(body, false, contentType);
}
