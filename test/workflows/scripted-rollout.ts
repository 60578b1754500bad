import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type {
  CarryInput,
  RolloutActivities,
  SoakReport,
  WaveReport,
} from '../../activities/rollout/types';
import { stagedOtaId } from '../../domain/ids';
import type {
  OutcomeCounts,
  PlanSummary,
  RolloutSettings,
  StagedOtaInput,
  StagedOtaPhase,
  StagedOtaResult,
  StagedOtaStatus,
  WaveCounts,
} from '../../domain/rollout/types';
import { TASK_QUEUES } from '../../domain/temporal';
import { workflowBundle } from '../../workers/bundle';

export type RolloutRun = WorkflowHandle<(input: StagedOtaInput) => Promise<StagedOtaResult>>;

/** What the world answers; a test replaces what it is about. */
export interface Script {
  settings: Partial<RolloutSettings>;
  plan: Partial<PlanSummary>;
  toRollBack: number;
  needsPerson: number;
  carryWave: (input: CarryInput) => Promise<WaveReport>;
  watchSoak: () => Promise<SoakReport>;
  judgeWave: () => Promise<WaveReport>;
  openWave: () => Promise<void>;
}

export interface ScriptedRollouts {
  /** In the order in which they began, such as `carryWave rollout 1`. */
  calls: string[];
  carried: CarryInput[];
  script: Script;
  /** A fresh script, and a run of it. */
  start(script?: Partial<Script>, input?: Partial<StagedOtaInput>): Promise<RolloutRun>;
  close(): Promise<void>;
}

const counts = (confirmed: number): WaveCounts => ({
  ...{ size: 5, waiting: 5 - confirmed, queued: 0, inProgress: 0, succeeded: 0 },
  ...{ confirmed, failed: 0, silent: 0, unreached: 0, skipped: 0 },
});

export const report = (end: WaveReport['end'], text = ''): WaveReport => ({
  end,
  counts: counts(end === 'complete' ? 5 : 2),
  reasons: text === '' ? [] : [{ rule: 'test', text }],
  next: 'the next look',
  nextAt: null,
  crossedAt: end === 'abort' ? new Date().toISOString() : null,
});

/** As a watch that has nothing to tell: until it is cancelled. */
export async function nothingToTell(): Promise<never> {
  const { cancellationSignal, heartbeat } = Context.current();
  for (;;) {
    heartbeat();
    await sleep(50, undefined, { signal: cancellationSignal }).catch(() => undefined);
    await Context.current().sleep(0);
  }
}

const fresh = (): Script => ({
  settings: {},
  plan: {},
  toRollBack: 0,
  needsPerson: 0,
  carryWave: () => Promise.resolve(report('complete')),
  watchSoak: nothingToTell,
  judgeWave: () => Promise.resolve(report('complete')),
  openWave: () => Promise.resolve(),
});

/** The workflows on a real server, with activities that answer by a script: for what no fleet does on demand. */
export async function openScriptedRollouts(address: string): Promise<ScriptedRollouts> {
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const connection = await NativeConnection.connect({ address });
  const clientConnection = await Connection.connect({ address });
  const client = new Client({ connection: clientConnection });
  const bundle = await workflowBundle(process.cwd(), '.local/cache');
  const rollouts: Pick<ScriptedRollouts, 'calls' | 'carried' | 'script'> = {
    calls: [],
    carried: [],
    script: fresh(),
  };
  const activities = activitiesOf(rollouts);
  const workers = await Promise.all(
    [TASK_QUEUES.runbooks, TASK_QUEUES.read, TASK_QUEUES.rollout].map((taskQueue) =>
      Worker.create({
        ...{ connection, taskQueue, activities },
        maxHeartbeatThrottleInterval: '100 milliseconds',
        ...(taskQueue === TASK_QUEUES.runbooks && { workflowBundle: bundle }),
      }),
    ),
  );
  const running = Promise.all(workers.map((worker) => worker.run()));
  const started: RolloutRun[] = [];
  return Object.assign(rollouts, {
    start: async (script: Partial<Script> = {}, input: Partial<StagedOtaInput> = {}) => {
      rollouts.script = { ...fresh(), ...script };
      rollouts.calls.length = 0;
      rollouts.carried.length = 0;
      const run = await startRun(client, input);
      started.push(run);
      return run;
    },
    close: async () => {
      await Promise.all(started.map((run) => run.terminate().catch(() => undefined)));
      for (const worker of workers) worker.shutdown();
      await running;
      await Promise.all([connection.close(), clientConnection.close()]);
    },
  });
}

function startRun(client: Client, input: Partial<StagedOtaInput>): Promise<RolloutRun> {
  const release = `pump/${randomUUID()}.tar`;
  return client.workflow.start<(input: StagedOtaInput) => Promise<StagedOtaResult>>('stagedOta', {
    workflowId: stagedOtaId(release),
    taskQueue: TASK_QUEUES.runbooks,
    args: [{ release, selector: { sites: ['oslo'] }, reason: 'a test', ...input }],
  });
}

type Rollouts = Pick<ScriptedRollouts, 'calls' | 'carried' | 'script'>;

function activitiesOf(rollouts: Rollouts): RolloutActivities {
  const { calls, carried } = rollouts;
  const script = () => rollouts.script;
  return {
    resolveRollout: ({ input }) => Promise.resolve(settingsOf(input, script().settings)),
    planRollout: ({ settings, workflowId }) =>
      Promise.resolve({ ...planOf(workflowId, settings), ...script().plan }),
    approveRollout: ({ token }) => Promise.resolve(token.split(',')),
    openWave: async ({ kind, wave }) => {
      calls.push(`openWave ${kind} ${wave}`);
      await script().openWave();
      return { fence: 1, leased: 5, skipped: { count: 0, examples: [] } };
    },
    carryWave: async (input) => {
      calls.push(`carryWave ${input.kind} ${input.wave}`);
      if (Context.current().info.attempt === 1) carried.push(input);
      try {
        return await script().carryWave(input);
      } finally {
        calls.push(`carried ${input.kind} ${input.wave}`);
      }
    },
    watchSoak: () => script().watchSoak(),
    judgeWave: () => script().judgeWave(),
    cancelJobs: () => {
      calls.push('cancelJobs');
      return Promise.resolve({ acknowledgedAt: new Date().toISOString(), jobs: 1 });
    },
    settle: () => {
      calls.push('settle');
      const { toRollBack } = script();
      return Promise.resolve({ counts: outcome(toRollBack, 0), toRollBack, findings: [] });
    },
    planRollback: (ref) => {
      calls.push('planRollback');
      return Promise.resolve(planOf(ref.workflowId, settingsOf({}, {})));
    },
    page: ({ subject }) => {
      calls.push(`page: ${subject.replace(/pump\S*/, '…')}`);
      return Promise.resolve();
    },
    closeRollout: () => {
      calls.push('closeRollout');
      const counted = outcome(0, script().needsPerson);
      return Promise.resolve({ counts: counted, list: { key: 'result.json', sha256: '0' } });
    },
  };
}

const outcome = (updated: number, needsPerson: number): OutcomeCounts => ({
  ...{ updated, rolledBack: 0, untouched: 0, needsPerson, touched: updated },
});

function planOf(workflowId: string, { dryRun }: RolloutSettings): PlanSummary {
  const ref = { rolloutId: randomUUID().slice(0, 12), workflowId, planKey: 'plan.json' };
  return {
    ref: { ...ref, planHash: 'f'.repeat(64) },
    contentHash: 'c'.repeat(64),
    devices: 10,
    fleetSize: 100,
    waves: [1, 2].map((number) => ({ number, size: 5, strata: {} })),
    excluded: {
      ...{ runsIt: 0, quarantined: 0, held: 0, penalty: 0 },
      ...{ wrongHardware: 0, noPath: 0, unknownVersion: 0 },
    },
    routes: [],
    findings: dryRun ? ['a dry run'] : [],
    onlyForward: false,
    approversNeeded: 0,
    worstCaseAtRisk: 5,
    awsCalls: {},
    estimatedMs: 1_000,
    quotas: 'documented',
  };
}

const settingsOf = (input: unknown, more: Partial<RolloutSettings>): RolloutSettings => ({
  ...{ release: 'pump/x.tar', selector: {}, reason: 'a test', requestedBy: 'somebody' },
  ...{ emergency: false, dryRun: false, planHash: null, waves: [], window: null },
  ...{ stepTimeoutMs: 5_000, approveWithinMs: 10_000, soakMs: 0, queuedForMs: 1_000 },
  ...{ inProgressForMs: 1_000, settleWithinMs: 1_000, lookEveryMs: 100, measureEveryMs: 100 },
  ...{ noDataForMs: 1_000, penaltyForMs: 1_000, penaltyFailures: 3, inFlight: 100 },
  ...{ minReachedPercent: 80, retriesNetwork: 0, retriesInstall: 0, onAbort: 'rollback' as const },
  ...{ approval: { count: 1, percent: 1, approvers: 2 }, gate: [], metrics: [] },
  ...(input as object),
  ...more,
});

export async function untilPhase(
  run: RolloutRun,
  phase: StagedOtaPhase,
  wave?: number,
): Promise<StagedOtaStatus> {
  for (;;) {
    const status = await run.query<StagedOtaStatus>('status').catch(() => null);
    if (status?.phase === phase && status.wave === (wave ?? status.wave)) return status;
    if (status?.phase === 'closed') throw new Error(`closed before ${phase}: ${status.next}`);
    await sleep(50);
  }
}
