import type { AwsProxy } from '../../local/proxies/aws-proxy';
import type { TemporalProxy } from '../../local/proxies/temporal-proxy';
import { awsPoint, describePoint, temporalPoint, type KillPoint } from './kill-points';

export interface KillSwitch {
  /** Every point passed since the last `arm`, in order. */
  passed(): KillPoint[];
  /** Kills at this point, once; null kills nowhere. Forgets what was passed. */
  arm(point: KillPoint | null): void;
  /** Whether the armed point came up. */
  fired(): boolean;
}

/**
 * Sits in both proxies and runs `kill` at the armed point. The call is then cut: it never reaches the other side
 * (`before`), or its answer never reaches the dead worker (`after`).
 */
export function createKillSwitch(
  proxies: { temporal: TemporalProxy; aws: AwsProxy },
  kill: () => Promise<void>,
): KillSwitch {
  let passed: KillPoint[] = [];
  let armed: string | null = null;
  let fired = false;
  const at = async (point: KillPoint | null): Promise<'drop' | undefined> => {
    if (point === null) return undefined;
    passed.push(point);
    if (fired || describePoint(point) !== armed) return undefined;
    fired = true;
    await kill();
    return 'drop';
  };
  proxies.temporal.use({
    before: (call) => at(temporalPoint(call, 'before')),
    after: (call) => at(temporalPoint(call, 'after')),
  });
  proxies.aws.use({
    before: (call) => at(awsPoint(call, 'before')),
    after: (call) => at(awsPoint(call, 'after')),
  });
  return {
    passed: () => [...passed],
    arm: (point) => {
      passed = [];
      fired = false;
      armed = point === null ? null : describePoint(point);
    },
    fired: () => fired,
  };
}
