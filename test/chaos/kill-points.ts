import type { AwsCall } from '../../local/proxies/aws-proxy';
import type { TemporalCall } from '../../local/proxies/temporal-proxy';

/** A moment at which a worker can die: around one of its calls to Temporal or AWS. */
export interface KillPoint {
  layer: 'temporal' | 'aws';
  /** gRPC method, or service and operation. */
  call: string;
  /** Which of the calls of that name in the run, from 1. */
  nth: number;
  /** Before the other side sees the call, or after it answered and before the worker sees the answer. */
  side: 'before' | 'after';
}

export const describePoint = ({ layer, call, nth, side }: KillPoint): string =>
  `${side} ${layer} ${call} #${nth}`;

/** Only calls that commit history count, and polls that delivered a task; null for all else. */
export function temporalPoint(call: TemporalCall, side: KillPoint['side']): KillPoint | null {
  const commits = /^Respond(WorkflowTask|ActivityTask)/.test(call.method);
  const delivers = side === 'after' && call.delivered;
  if (!commits && !delivers) return null;
  return { layer: 'temporal', call: call.method, nth: call.nth, side };
}

/** Work that a worker does beside the runbook, at its own pace: its calls come at other places in each run. */
const BACKGROUND = new Set(['sqs', 'monitoring', 'sns']);

export function awsPoint(call: AwsCall, side: KillPoint['side']): KillPoint | null {
  if (BACKGROUND.has(call.service)) return null;
  return { layer: 'aws', call: `${call.service}.${call.operation}`, nth: call.nth, side };
}

/** `count` of the points, chosen by the seed, in the order they came; all of them where there are no more. */
export function samplePoints<T>(points: readonly T[], count: number, seed: number): T[] {
  const random = seeded(seed);
  const ranked = points.map((point, index) => ({ point, index, rank: random() }));
  ranked.sort((a, b) => a.rank - b.rank);
  return ranked
    .slice(0, count)
    .sort((a, b) => a.index - b.index)
    .map(({ point }) => point);
}

/** Mulberry32: small, and the same on every machine. Returns [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
