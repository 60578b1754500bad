import { sha256 } from '../../activities/rollout/objects';
import type {
  IndexedDevice,
  JobCounts,
  ListedExecution,
  RaisedAlarm,
} from '../../activities/rollout/deps';
import type { Hop, PlannedDevice, RolloutPlan, RolloutRef } from '../../domain/rollout/types';
import { memoryStore, settingsFor } from './rollout-plan';

/** How a device takes a job. `network` fails so on its first try alone. */
export type Behaviour = 'good' | 'crash' | 'network' | 'hang' | 'offline' | 'mute' | 'liar';

export const NOW = Date.parse('2026-11-25T03:00:00Z');
export const HOP: Hop = {
  ...{ target: 'pump/1.1.0.tar', version: '1.1.0', release: 2 },
  revert: { target: 'pump/back.tar', version: '1.0.0', release: 9 },
};
const STARTS_MS = 50;
const ENDS_MS = 150;

interface Device {
  thing: string;
  behaviour: Behaviour;
  version: string;
  update: Record<string, unknown> | null;
  tries: number;
  /** Releases that it switched to, in order. */
  switched: number[];
}

interface Job {
  target: string;
  things: string[];
  status: string;
  executions: Map<string, ListedExecution>;
}

/** A fleet, its cloud and a clock, in memory. Devices act as the clock goes on. */
export class World {
  now = NOW;
  readonly store = memoryStore();
  readonly devices = new Map<string, Device>();
  readonly jobs = new Map<string, Job>();
  readonly groups = new Map<string, Set<string>>();
  readonly held = new Map<string, string>();
  readonly cancelled: string[] = [];
  readonly alarms: RaisedAlarm[] = [];
  stopped = false;
  hops: Hop[] = [HOP];
  /** Calls so far; `die` may throw at one, before or after it had its effect. */
  calls = 0;
  die: (call: number) => 'before' | 'after' | null = () => null;

  constructor(behaviours: readonly Behaviour[]) {
    behaviours.forEach((behaviour, n) => {
      const thing = `d-${String(n).padStart(3, '0')}`;
      const device = { thing, behaviour, version: '1.0.0', update: null, tries: 0, switched: [] };
      this.devices.set(thing, device);
    });
  }

  readonly sleep = (ms: number): Promise<void> => {
    this.now += ms;
    this.act();
    return Promise.resolve();
  };

  /** Freezes a plan of all devices in waves of these sizes. */
  plan(sizes: number[], more: Partial<RolloutPlan['settings']> = {}, hops = [HOP]): RolloutRef {
    this.hops = [
      ...hops,
      ...hops.flatMap(({ revert }) => (revert ? [{ ...revert, revert: null }] : [])),
    ];
    const last = hops.at(-1) ?? HOP;
    const planned = [...this.devices.keys()].map((thing): PlannedDevice => ({
      thing,
      site: 'oslo',
      route: 0,
    }));
    let from = 0;
    const waves = sizes.map((size, n) => {
      const text = JSON.stringify(planned.slice(from, from + size));
      from += size;
      const key = `rollouts/abcdef012345/wave-${n + 1}.json`;
      this.store.objects.set(key, text);
      const chunks = [{ key, sha256: sha256(text), count: size }];
      return { number: n + 1, size, chunks, strata: { 'rev-a/oslo/1.0.0': size } };
    });
    const plan = {
      ...{ version: 1, kind: 'rollout', rolloutId: 'abcdef012345', workflowId: 'ota/pump' },
      release: {
        target: last.target,
        version: last.version,
        release: last.release,
        raisesEpoch: false,
      },
      settings: { ...settingsFor(HOP.target), ...SETTINGS, ...more },
      routes: [{ hardware: 'rev-a', from: '1.0.0', hops }],
      ...{ waves, excluded: {}, baseline: {}, plannedAt: new Date(this.now).toISOString() },
    };
    const text = JSON.stringify(plan);
    const planKey = 'rollouts/abcdef012345/plan.json';
    this.store.objects.set(planKey, text);
    return {
      rolloutId: plan.rolloutId,
      workflowId: plan.workflowId,
      planKey,
      planHash: sha256(text),
    };
  }

  /** Every job that named the device, by hop target. */
  askedOf(thing: string): string[] {
    return [...this.jobs.values()].flatMap(({ target, executions }) =>
      executions.has(thing) ? [target] : [],
    );
  }

  private act(): void {
    for (const { target, executions } of this.jobs.values())
      for (const execution of executions.values()) this.step(target, execution);
  }

  private step(target: string, execution: ListedExecution): void {
    const device = this.device(execution.thing);
    const hop = this.hops.find((each) => each.target === target) ?? HOP;
    const { behaviour } = device;
    const queuedAt = execution.queuedAt ?? 0;
    if (behaviour === 'offline' || behaviour === 'mute') return;
    if (execution.status === 'QUEUED' && this.now >= queuedAt + STARTS_MS) {
      Object.assign(execution, { status: 'IN_PROGRESS', startedAt: this.now, updatedAt: this.now });
      device.update = { state: 'fetching', target, version: hop.version, release: hop.release };
      device.tries += 1;
    }
    if (execution.status !== 'IN_PROGRESS' || behaviour === 'hang') return;
    if (this.now < (execution.startedAt ?? 0) + ENDS_MS) return;
    const failed = behaviour === 'crash' || (behaviour === 'network' && device.tries === 1);
    const outcome = failed ? 'FAILED' : 'SUCCEEDED';
    Object.assign(execution, { status: outcome, updatedAt: this.now });
    if (behaviour === 'liar') return;
    if (!failed) {
      device.version = hop.version;
      device.switched.push(hop.release);
    }
    device.update = {
      ...device.update,
      state: 'idle',
      outcome,
      at: new Date(this.now).toISOString(),
    };
  }

  device(thing: string): Device {
    const device = this.devices.get(thing);
    if (device === undefined) throw new Error(`no device ${thing}`);
    return device;
  }

  indexed({ thing, behaviour }: Device): IndexedDevice {
    const connected = behaviour !== 'offline';
    return {
      ...{ thing, attributes: { hardware: 'rev-a' }, groups: [], reported: this.reported(thing) },
      ...{ connected, connectivityAt: NOW - 1 },
    };
  }

  reported(thing: string): unknown {
    const { version, update } = this.device(thing);
    return { firmware: { version }, hardware: { version: 'rev-a' }, health: 'healthy', update };
  }

  counts(jobId: string): JobCounts {
    const job = this.jobs.get(jobId);
    const of = (status: string) =>
      [...(job?.executions.values() ?? [])].filter((each) => each.status === status).length;
    const [queued, inProgress] = [of('QUEUED'), of('IN_PROGRESS')];
    const over = job?.status === 'IN_PROGRESS' && queued + inProgress === 0;
    return {
      job: job === undefined ? null : over ? 'COMPLETED' : job.status,
      ...{ queued, inProgress, succeeded: of('SUCCEEDED'), failed: of('FAILED') },
      ...{ rejected: 0, timedOut: 0, canceled: of('CANCELED'), removed: 0 },
    };
  }

  create(jobId: string, targets: string[], document: { target?: string }): void {
    if (this.jobs.has(jobId)) return;
    const things = targets.flatMap((arn) => {
      const name = arn.slice(arn.indexOf('/') + 1);
      return arn.includes(':thinggroup/') ? [...(this.groups.get(name) ?? [])] : [name];
    });
    const executions = new Map<string, ListedExecution>();
    for (const thing of things)
      executions.set(thing, {
        ...{ thing, status: 'QUEUED', queuedAt: this.now, startedAt: null, updatedAt: this.now },
      });
    this.jobs.set(jobId, {
      target: document.target ?? '',
      things,
      status: 'IN_PROGRESS',
      executions,
    });
  }

  cancelExecution(jobId: string, thing: string): void {
    const execution = this.jobs.get(jobId)?.executions.get(thing);
    if (execution === undefined || !['QUEUED', 'IN_PROGRESS'].includes(execution.status)) return;
    Object.assign(execution, { status: 'CANCELED', updatedAt: this.now });
    this.cancelled.push(thing);
  }
}

/** Short, and without rules of YAML: those have tests of their own. */
const SETTINGS = {
  ...{ inFlight: 10, lookEveryMs: 400, measureEveryMs: 1_000, noDataForMs: 60_000 },
  ...{ queuedForMs: 5_000, inProgressForMs: 3_000, soakMs: 2_000, minReachedPercent: 50 },
  ...{ retriesNetwork: 1, retriesInstall: 0, gate: [], metrics: [], window: null },
  approval: { count: 1_000, percent: 0, approvers: 2 },
} satisfies Partial<RolloutPlan['settings']>;
