import type { ReleaseName } from './releases';
import type { PowercutSettings } from './preload/main';

export interface Scenario {
  name: 'first update' | 'commit' | 'rollback' | 'cancelled';
  /** `seasoned`: it has taken an update before, and its repository has newer metadata since. */
  from: 'factory' | 'seasoned';
  /** What the job asks for. */
  release: ReleaseName;
  /** The one end that the job may come to. */
  status: 'SUCCEEDED' | 'FAILED' | 'CANCELED';
  /** What runs afterwards. */
  runs: ReleaseName;
  /** Before this call the job is cancelled: the new release is whole, and its mark about to be set. */
  cancelBefore: Pick<NonNullable<PowercutSettings['hold']>, 'op' | 'path'> | null;
}

/** One cut may cost a start, never the update. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'first update',
    from: 'factory',
    release: 'good',
    status: 'SUCCEEDED',
    runs: 'good',
    cancelBefore: null,
  },
  {
    name: 'commit',
    from: 'seasoned',
    release: 'good',
    status: 'SUCCEEDED',
    runs: 'good',
    cancelBefore: null,
  },
  {
    name: 'rollback',
    from: 'seasoned',
    release: 'bad',
    status: 'FAILED',
    runs: 'first',
    cancelBefore: null,
  },
  {
    name: 'cancelled',
    from: 'factory',
    release: 'good',
    status: 'CANCELED',
    runs: 'factory',
    cancelBefore: { op: 'rename', path: 'release.json' },
  },
];

/** What a seasoned device has behind it. */
export const SEASONING: Scenario = {
  name: 'first update',
  from: 'factory',
  release: 'first',
  status: 'SUCCEEDED',
  runs: 'first',
  cancelBefore: null,
};
