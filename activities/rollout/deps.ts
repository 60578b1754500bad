import type { Guard } from '../../domain/guard/types';
import type { Place } from '../../domain/policy/types';
import type { MetricQuery } from '../../domain/rollout/types';
import type { StagedOtaRunbook } from '../../domain/runbook';
import type { ReleaseTarget } from '../../domain/device-protocol/release-target';

/** One thing as the fleet index has it; seconds behind the device on AWS. */
export interface IndexedDevice {
  thing: string;
  attributes: Record<string, string>;
  groups: string[];
  /** `state.reported` of the unnamed shadow; null where there is none. Untrusted: parse what is used. */
  reported: unknown;
  connected: boolean;
  /** Of the last connect or disconnect, epoch milliseconds. */
  connectivityAt: number | null;
}

/** https://docs.aws.amazon.com/iot/latest/developerguide/query-syntax.html : at most 12 terms a query. */
export interface FleetIndex {
  /** Pages of at most 100, so that memory does not grow with the fleet. */
  search(query: string): AsyncIterable<IndexedDevice[]>;
  /** GetStatistics: one call, whatever the fleet. */
  count(query: string): Promise<number>;
  /** GetBucketsAggregation: things per value of a field, one call. */
  buckets(query: string, field: string): Promise<Record<string, number>>;
}

/** DescribeJob's `jobProcessDetails`. */
export interface JobCounts {
  /** IN_PROGRESS, CANCELED, DELETION_IN_PROGRESS, COMPLETED …; null where there is no such job. */
  job: string | null;
  queued: number;
  inProgress: number;
  succeeded: number;
  failed: number;
  rejected: number;
  timedOut: number;
  canceled: number;
  removed: number;
}

export interface ListedExecution {
  thing: string;
  status: string;
  /** Epoch milliseconds; null where it did not come to it. */
  queuedAt: number | null;
  startedAt: number | null;
  updatedAt: number | null;
}

/** Jobs of many things; safe to retry as IotJobs is. */
export interface RolloutJobs {
  /** `targets`: ARNs of up to 100 things, or of one group. "Already exists" is success where the document is equal. */
  create(job: { jobId: string; targets: string[]; document: object }): Promise<void>;
  counts(jobId: string): Promise<JobCounts>;
  /** Pages of at most 250; without a status, all. */
  executions(jobId: string, status?: string): AsyncIterable<ListedExecution[]>;
  statusDetails(jobId: string, thing: string): Promise<Record<string, string>>;
  /** With `force`, IN_PROGRESS executions included; a job that ended or never was is success. */
  cancel(jobId: string, comment: string): Promise<void>;
  /** Forced; one that ended meanwhile is success. */
  cancelExecution(jobId: string, thing: string): Promise<void>;
}

/** Groups of a wave, below a root of their own: AWS allows a thing in one group per hierarchy. */
export interface WaveGroups {
  /** Idempotent. Returns the group's ARN. */
  create(group: string): Promise<string>;
  add(thing: string, group: string): Promise<void>;
  /** With its members; one that is gone is success. */
  remove(group: string): Promise<void>;
}

/** Objects of a rollout, below `rollouts/<rolloutId>/`. */
export interface RolloutStore {
  /** `If-None-Match: *`. True where it wrote; false where the key is taken, whatever is there. */
  create(key: string, text: string): Promise<boolean>;
  /** Overwrites. For what is recomputed from elsewhere. */
  put(key: string, text: string): Promise<void>;
  /** Null where there is none. */
  get(key: string): Promise<string | null>;
  /** Sorted. */
  list(prefix: string): Promise<string[]>;
}

export interface DeviceShadows {
  /** `state.reported`, read now, not from the index; null where there is none. Untrusted. */
  reported(thing: string): Promise<unknown>;
}

export interface RaisedAlarm {
  name: string;
  /** The dimension `ThingName`; null for an alarm on no single device. */
  thing: string | null;
  /** Epoch milliseconds. */
  since: number;
}

export interface ScopedAlarms {
  /** All in ALARM whose name begins so; pages of 100. */
  raised(namePrefix: string): Promise<RaisedAlarm[]>;
}

export interface Metrics {
  /** The newest datum of each; null where there is none within its time. One GetMetricData call for up to 500. */
  latest(queries: readonly MetricQuery[], now: number): Promise<Record<string, number | null>>;
}

/** Calls per second that are ours: half the account's quota. */
export interface Quotas {
  createJob: number;
  describeJob: number;
  addThingToThingGroup: number;
  searchIndex: number;
  /** `documented` where Service Quotas does not answer. */
  source: 'live' | 'documented';
}

export interface SignedRelease extends ReleaseTarget {
  /** TUF target. */
  name: string;
}

/** The release repository, verified from the shipped root as a device does. */
export interface ReleaseList {
  list(): Promise<SignedRelease[]>;
}

/** Tells people outside Temporal UI; idempotent per `id` as far as the receiver dedupes. */
export interface Pager {
  page(message: { id: string; subject: string; text: string }): Promise<void>;
}

export interface RolloutDeps {
  index: FleetIndex;
  jobs: RolloutJobs;
  groups: WaveGroups;
  store: RolloutStore;
  shadows: DeviceShadows;
  alarms: ScopedAlarms;
  metrics: Metrics;
  quotas: () => Promise<Quotas>;
  releases: ReleaseList;
  pager: Pager;
  guard: Guard;
  place: Place;
  loadRunbook(): Promise<StagedOtaRunbook> | StagedOtaRunbook;
  now(): number;
}
