import { judge, type Judgement } from '../../domain/rollout/gate';
import type { Measurement, RolloutPlan } from '../../domain/rollout/types';
import type { RolloutDeps } from './deps';
import { rolloutPrefix } from './job-record';
import { readJson } from './objects';
import type { WaveAt } from './types';

/** What a gate remembers from one judgement to the next, in object storage, so that no restart forgets an abort. */
interface Remembered {
  noDataSince: number | null;
  aborted: { reasons: Judgement['reasons']; crossedAt: string } | null;
}

export interface Verdict extends Judgement {
  /** ISO 8601: when it first aborted; null where it does not. */
  crossedAt: string | null;
  /** It holds for data that has only just gone missing: worth another look before a person is told. */
  isPassing: boolean;
}

export interface Gate {
  judge(measurement: Measurement, overridden: boolean): Promise<Verdict>;
}

export async function openGate(deps: RolloutDeps, plan: RolloutPlan, at: WaveAt): Promise<Gate> {
  const key = `${rolloutPrefix(at.ref.rolloutId)}gate/${at.kind}-${at.wave}.json`;
  let remembered = await readJson<Remembered>(deps.store, key, {
    noDataSince: null,
    aborted: null,
  });
  const remember = async (next: Remembered): Promise<void> => {
    if (JSON.stringify(next) === JSON.stringify(remembered)) return;
    await deps.store.put(key, JSON.stringify(next));
    remembered = next;
  };
  return {
    async judge(measurement, overridden) {
      const { settings } = plan;
      const judgement = judge({
        measurement,
        rules: settings.gate,
        settings,
        noDataSince: remembered.noDataSince,
        now: deps.now(),
        overridden,
        aborted: remembered.aborted?.reasons ?? null,
      });
      const { decision, reasons, noDataSince } = judgement;
      const aborts = decision === 'abort' ? { reasons, crossedAt: measurement.at } : null;
      await remember({ noDataSince, aborted: remembered.aborted ?? aborts });
      const crossedAt = decision === 'abort' ? (remembered.aborted?.crossedAt ?? null) : null;
      const isPassing =
        decision === 'hold' &&
        noDataSince !== null &&
        deps.now() - noDataSince < settings.measureEveryMs;
      return { ...judgement, crossedAt, isPassing };
    },
  };
}
