import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { IndexedDevice, RolloutStore } from '../activities/rollout/deps';
import { planRollout } from '../activities/rollout/plan';
import type { Signed } from '../domain/rollout/routes';
import { indexed, planningDeps, settingsFor } from '../test/support/rollout-plan';
import { residentKb, round } from './figures';

const SIZES = [10_000, 100_000, 1_000_000];
const SAMPLE_MS = 100;

const V1: Signed = {
  ...{ name: 'pump/1.0.0.tar', version: '1.0.0', release: 1, securityEpoch: 0 },
  hardware: ['rev-0', 'rev-1', 'rev-2', 'rev-3'],
};
const V2: Signed = { ...V1, name: 'pump/1.1.0.tar', version: '1.1.0', release: 2 };
const BACK: Signed = { ...V1, name: 'pump/back.tar', release: 3, reverts: 2 };

export interface PlanFigures {
  devices: number;
  planMs: number;
  /** Of this process above what it had before. */
  peakMiB: number;
  calls: number;
  /** At half of AWS's documented quotas. */
  estimatedHours: number;
}

/**
 * The plan of simulated fleets through the code that plans real ones: only the index is made up, device by device as
 * its pages are read, and objects are files. The calls and the time are what the plan itself says.
 */
export async function benchRolloutPlan(options: {
  log: (line: string) => void;
}): Promise<{ plans: PlanFigures[] }> {
  const plans: PlanFigures[] = [];
  for (const devices of SIZES) {
    const figures = await planOnce(devices);
    options.log(
      `plan of ${devices} devices: ${figures.planMs} ms, ${figures.peakMiB} MiB more, ${figures.calls} calls, ${figures.estimatedHours} h at AWS's quotas`,
    );
    plans.push(figures);
  }
  return { plans };
}

async function planOnce(count: number): Promise<PlanFigures> {
  const dir = mkdtempSync(join(tmpdir(), 'rollout-plan-'));
  global.gc?.();
  const before = residentKb(process.pid);
  let peak = before;
  const sampling = setInterval(() => (peak = Math.max(peak, residentKb(process.pid))), SAMPLE_MS);
  const from = performance.now();
  try {
    const store = fileStore(dir);
    const deps = planningDeps(() => fleet(count), [V1, V2, BACK], { fleetSize: count, store });
    const summary = await planRollout(deps, {
      settings: settingsFor(V2.name, { selector: { hardware: V1.hardware } }),
      workflowId: `ota/${V2.name}`,
      firstRunId: 'bench',
    });
    peak = Math.max(peak, residentKb(process.pid));
    return {
      devices: summary.devices,
      planMs: round(performance.now() - from),
      peakMiB: round((peak - before) / 1024),
      calls: Object.values(summary.awsCalls).reduce((sum, calls) => sum + calls, 0),
      estimatedHours: round(summary.estimatedMs / 3_600_000, 2),
    };
  } finally {
    clearInterval(sampling);
    rmSync(dir, { recursive: true, force: true });
  }
}

function* fleet(count: number): Generator<IndexedDevice> {
  for (let index = 0; index < count; index += 1)
    yield indexed(`pump-${index}`, { hardware: `rev-${index % 4}`, site: `site-${index % 25}` });
}

/** Kept off the heap, as S3 is. */
function fileStore(dir: string): RolloutStore {
  const fileOf = (key: string): string => join(dir, basename(key));
  const read = (key: string): string | null => {
    try {
      return readFileSync(fileOf(key), 'utf8');
    } catch {
      return null;
    }
  };
  return {
    create: (key, text) => {
      if (read(key) !== null) return Promise.resolve(false);
      writeFileSync(fileOf(key), text);
      return Promise.resolve(true);
    },
    put: (key, text) => {
      writeFileSync(fileOf(key), text);
      return Promise.resolve();
    },
    get: (key) => Promise.resolve(read(key)),
    list: () => Promise.resolve(readdirSync(dir)),
  };
}
