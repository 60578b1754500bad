import type { DeviceResult, StagedOtaResult } from '../../../domain/rollout/types';
import { OLD, targetOf } from './stage';

/** What is known of a rollout after its end, each from another source than the rollout's own word. */
export interface Evidence {
  good: boolean;
  version: string;
  /** Null: it did not end in time, or failed. */
  result: Pick<StagedOtaResult, 'outcome' | 'abortAcknowledgedAt'> | null;
  list: Pick<DeviceResult, 'thing' | 'outcome' | 'runs'>[];
  /** Version by each device's own slot. */
  slots: Record<string, string>;
  /** Devices that ever started the release, by their agents' logs. */
  started: string[];
  jobs: JobSeen[];
  /** Owners of work leases. */
  leases: string[];
  /** Job executions that are not terminal, as `thing job`. */
  pending: string[];
}

export interface JobSeen {
  jobId: string;
  kind: string;
  target: string;
  hop: number;
  attempt: number;
  things: string[];
  /** Whose execution reads SUCCEEDED. */
  succeeded: string[];
}

export type Findings = Record<
  'stuck' | 'wrong' | 'updatedTwice' | 'leftLeases' | 'leftPending',
  string[]
>;

export function judgeRollout(seen: Evidence): Findings {
  const stuck = seen.result === null ? ['it did not end with a result in time'] : [];
  return {
    stuck,
    wrong: seen.result === null ? [] : [...wrongEnd(seen), ...wrongList(seen)],
    updatedTwice: updatedTwice(seen.jobs),
    leftLeases: seen.result === null ? [] : seen.leases.map((owner) => `${owner} holds a lease`),
    leftPending: seen.result === null ? [] : seen.pending.map((each) => `${each} is pending`),
  };
}

function wrongEnd({ good, result }: Evidence): string[] {
  if (result === null) return [];
  const { outcome, abortAcknowledgedAt } = result;
  if (good) return outcome === 'completed' ? [] : [`the good build ended ${outcome}`];
  const stopped = ['rolledBack', 'aborted'].includes(outcome) && abortAcknowledgedAt !== null;
  return stopped ? [] : [`the bad build ended ${outcome}`];
}

function wrongList(seen: Evidence): string[] {
  const { good, list, slots, started } = seen;
  const found = Object.keys(slots).flatMap((thing) => wrongDevice(seen, thing));
  for (const { thing } of list) if (!(thing in slots)) found.push(`${thing} is no device`);
  if (!good && started.length === 0) found.push('no device ever started the bad build');
  return found;
}

function wrongDevice({ good, version, list, slots, started }: Evidence, thing: string): string[] {
  const slot = slots[thing] ?? 'nothing';
  const lines = list.filter((line) => line.thing === thing);
  const [line] = lines;
  if (lines.length !== 1 || line === undefined) return [`${thing} is listed ${lines.length} times`];
  const { outcome } = line;
  const found: string[] = [];
  if (slot !== (good ? version : OLD)) found.push(`${thing} runs ${slot}`);
  // Nobody asked a device that was not touched.
  const said = outcome === 'untouched' ? OLD : (line.runs ?? 'nothing');
  if (said !== slot) found.push(`${thing} is ${outcome}, said to run ${said}, runs ${slot}`);
  const right = good
    ? outcome === 'updated'
    : outcome === 'rolledBack' || (outcome === 'untouched' && !started.includes(thing));
  if (!right) found.push(`${thing} is listed as ${outcome}`);
  return found;
}

function updatedTwice(jobs: JobSeen[]): string[] {
  const asked = new Map<string, string[]>();
  const updated = new Map<string, string[]>();
  const add = (to: Map<string, string[]>, key: string, jobId: string): void =>
    void to.set(key, [...(to.get(key) ?? []), jobId]);
  for (const { jobId, kind, target, hop, attempt, things, succeeded } of jobs) {
    for (const thing of things) add(asked, `${thing} ${kind}, hop ${hop}, try ${attempt}`, jobId);
    for (const thing of succeeded) add(updated, `${thing} ${kind}, ${target}`, jobId);
  }
  const twice = (what: string, from: Map<string, string[]>): string[] =>
    [...from]
      .filter(([, ids]) => ids.length > 1)
      .map(([key, ids]) => `${key}: ${what} by ${ids.join(' and ')}`);
  return [...twice('asked', asked), ...twice('updated', updated)];
}

/** Things that began to run the release. */
export const startedOf = (
  switches: readonly { thing: string; target: string; way: string; at: number }[],
  version: string,
  since: number,
): string[] => [
  ...new Set(
    switches
      .filter(({ way, target, at }) => way === 'on' && target === targetOf(version) && at >= since)
      .map(({ thing }) => thing),
  ),
];
