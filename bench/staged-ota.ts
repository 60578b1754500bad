import { benchRolloutPlan, type PlanFigures } from './rollout-plan';
import { benchEvents, type EventFigures } from './staged-ota-events';
import { benchFleet, type FleetFigures } from './staged-ota-fleet';

const MOST_PAIRS = 3;

/** What a staged rollout costs, each figure beside what it is measured against in the same run. */
export async function benchStagedOta(options: {
  runs: number;
  log: (line: string) => void;
}): Promise<FleetFigures & EventFigures & { plans: PlanFigures[] }> {
  const { log } = options;
  const fleet = await benchFleet({ pairs: Math.min(options.runs, MOST_PAIRS), log });
  const events = await benchEvents({ log });
  return { ...fleet, ...events, ...(await benchRolloutPlan({ log })) };
}
