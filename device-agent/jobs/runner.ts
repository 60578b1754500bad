import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { JobDocument } from '../../domain/device-protocol/job-document';
import type { Backoff } from '../connection/backoff';
import { problemOf } from '../errors';
import { runOperation } from '../operations/operations';
import type { Lane, Operations } from '../operations/types';
import type { Journal, RecordedOutcome } from '../state/journal';
import type { JobsClient } from './client';
import { parseJobDocument } from './document';
import type { JobExecution, JobSummary } from './messages';
import { ContainmentOrder, byAge } from './order';
import { passGate, reportStatus, type HeldExecution } from './report';

export interface JobRunnerDependencies {
  jobs: JobsClient;
  journal: Journal;
  operations: Operations;
  /** A fresh back-off for one job's retries. */
  retry: () => Backoff;
  /** How long until jobs that could not be read or reported are tried again. */
  retryLaterMs: number;
  /** The keys of all executions that are pending; not called where the list may be cut off. */
  onPending?: (keys: ReadonlySet<string>) => void;
  log: Logger;
}

const READ_ATTEMPTS = 3;
/** AWS shows a device no more than so many. */
const MAX_PENDING = 10;

type Work = { key: string; held: HeldExecution; queuedAt: number } & (
  | { kind: 'run'; document: JobDocument; startedBefore: boolean }
  | { kind: 'report'; outcome: RecordedOutcome }
);

/**
 * Runs what the pending list holds, by job id: `$next` would make `contain` wait behind a long update. A notice
 * is only a hint to read the list again. INVARIANT: an execution is in `active` from when it is found until its
 * end is reported or given up, so that no notice, however often repeated, starts it twice.
 */
export class JobRunner {
  private readonly active = new Map<string, Promise<void>>();
  private readonly lanes: Record<Lane, Promise<void>> = {
    containment: Promise.resolve(),
    beside: Promise.resolve(),
    background: Promise.resolve(),
  };
  private readonly order = new ContainmentOrder();
  private reading: Promise<void> | null = null;
  /** Calls while the list was being read: it may have been too late for what they hint at. */
  private hints = 0;
  private later: NodeJS.Timeout | null = null;
  /** When the short operations that run were begun, by key; `performance.now()`. */
  private readonly begun = new Map<string, number>();
  private wanted = false;
  private stopping = false;

  constructor(private readonly deps: JobRunnerDependencies) {}

  /** The pending list was asked for and has not been read since: for the watchdog. */
  get unread(): boolean {
    return this.wanted;
  }

  /** Of those that must end soon; long ones have limits of their own. */
  longestOperation(): { key: string; ms: number } | null {
    const [eldest] = this.begun;
    if (eldest === undefined) return null;
    return { key: eldest[0], ms: performance.now() - eldest[1] };
  }

  /**
   * Reads the pending list and starts what is new. Resolves when what containment asks has been done; other
   * operations may still run. Rejects where the list could not be read.
   */
  async refresh(): Promise<void> {
    this.wanted = true;
    if (this.reading !== null) {
      this.hints += 1;
      return this.reading;
    }
    this.reading = this.readUntilQuiet();
    try {
      await this.reading;
    } finally {
      this.reading = null;
    }
    await this.lanes.containment;
  }

  /**
   * For a new connection: a few attempts while it is `current`. A Jobs service that does not answer must not blind
   * the fleet, so it resolves in any case, and what was not read is tried again later.
   */
  async refreshPatiently(current: () => boolean): Promise<void> {
    const retry = this.deps.retry();
    for (let attempt = 1; attempt <= READ_ATTEMPTS && current(); attempt += 1) {
      try {
        await this.refresh();
        return;
      } catch (error) {
        const reason = String(error);
        this.deps.log.warn({ event: 'pending jobs not read', attempt, reason });
        await sleep(retry.next());
      }
    }
    this.refreshLater();
  }

  /** For notices, which nobody waits on: a failure is tried again later. */
  hint(): void {
    this.refresh().catch((error: unknown) => {
      this.deps.log.warn({ event: 'pending jobs not read', reason: String(error) });
      this.refreshLater();
    });
  }

  /** Starts nothing new and waits for what runs. */
  async stop(): Promise<void> {
    this.stopping = true;
    if (this.later !== null) clearTimeout(this.later);
    await Promise.all(this.active.values());
  }

  private async readUntilQuiet(): Promise<void> {
    let hintsSeen: number;
    do {
      hintsSeen = this.hints;
      const found = await this.deps.jobs.pending();
      if (found.length < MAX_PENDING) this.deps.onPending?.(new Set(found.map(keyOf)));
      const fresh = found.filter((summary) => !this.active.has(keyOf(summary)));
      const loaded = await Promise.all(fresh.map((summary) => this.tryToLoad(summary)));
      for (const work of loaded.filter((item) => item !== null).sort(byAge)) this.begin(work);
    } while (hintsSeen !== this.hints && !this.stopping);
    this.wanted = false;
  }

  /** One job that can't be read must not keep the others, containment among them, from running. */
  private async tryToLoad(summary: JobSummary): Promise<Work | null> {
    try {
      return await this.load(summary);
    } catch (error) {
      this.deps.log.warn({ event: 'job not read', jobId: summary.jobId, reason: String(error) });
      this.refreshLater();
      return null;
    }
  }

  /** Null where there is nothing to do: gone meanwhile, or another execution by now. */
  private async load(summary: JobSummary): Promise<Work | null> {
    const execution = await this.deps.jobs.describe(summary.jobId);
    if (execution?.executionNumber !== summary.executionNumber) return null;
    const key = keyOf(execution);
    const held = { ...execution, version: execution.versionNumber };
    const common = { key, held, queuedAt: summary.queuedAt };
    const record = this.deps.journal.find(key);
    if (record.outcome !== null) return { ...common, kind: 'report', outcome: record.outcome };
    const parsed = parseJobDocument(execution.jobDocument);
    if (!parsed.ok) {
      const outcome = { status: 'REJECTED' as const, details: { reason: parsed.reason } };
      return { ...common, kind: 'report', outcome };
    }
    return { ...common, kind: 'run', document: parsed.document, startedBefore: record.started };
  }

  private begin(work: Work): void {
    if (this.stopping || this.active.has(work.key)) return;
    const lane =
      work.kind === 'run' ? this.deps.operations[work.document.operation].lane : 'beside';
    const task = (): Promise<void> => this.carryOut(work);
    const done = (lane === 'beside' ? task() : this.lanes[lane].then(task)).catch(
      (error: unknown) => {
        this.deps.log.error({ event: 'job abandoned', key: work.key, reason: String(error) });
        this.refreshLater();
      },
    );
    this.lanes[lane] = done;
    const ended = done.finally(() => this.active.delete(work.key));
    this.active.set(work.key, ended);
  }

  private async carryOut(work: Work): Promise<void> {
    if (!(await this.claim(work))) return;
    const outcome = work.kind === 'report' ? work.outcome : await this.execute(work);
    if (outcome === null) return;
    const result = await reportStatus(this.deps, work.held, outcome.status, outcome.details);
    const { status } = outcome;
    this.deps.log.info({ event: 'job ended', jobId: work.held.jobId, status, result });
    if (result === 'unreported') this.refreshLater();
  }

  /**
   * False where the execution may not be started: cancelled, or no answer to the claim. What is about to be
   * rejected is claimed, too: AWS's own client leaves that history, and `startedAt` says that the device saw the job.
   */
  private async claim({ held, ...work }: Work): Promise<boolean> {
    if (held.status === 'IN_PROGRESS') return true;
    const details = work.kind === 'run' ? { operation: work.document.operation } : {};
    const claim = await reportStatus(this.deps, held, 'IN_PROGRESS', details);
    if (claim === 'unreported') this.refreshLater();
    return claim === 'reported';
  }

  /** Null where the agent stops meanwhile. */
  private async execute(work: Work & { kind: 'run' }): Promise<RecordedOutcome | null> {
    const { key, held, document, startedBefore } = work;
    const { journal, log } = this.deps;
    const { operation } = document;
    const reason = this.order.objection(document, work.queuedAt);
    if (reason !== null) return { status: 'REJECTED', details: { reason } };
    log.info({ event: 'job started', jobId: held.jobId, operation, startedBefore });
    // A full disk must not keep a job from being carried out and reported.
    const unrecorded = problemOf(() => journal.recordStart(key));
    if (this.deps.operations[operation].lane !== 'background')
      this.begun.set(key, performance.now());
    const outcome = await runOperation(this.deps.operations, document, {
      key,
      startedBefore,
      progress: (details) => reportStatus(this.deps, held, 'IN_PROGRESS', details),
      gate: (details) => passGate(this.deps, held, details),
    });
    this.begun.delete(key);
    if (outcome === null) return null;
    // Whatever became of the start: where the report is not answered, the outcome is what is told again.
    const problem = problemOf(() => journal.recordOutcome(key, outcome)) ?? unrecorded;
    if (problem !== null) log.error({ event: 'journal not written', reason: problem });
    return outcome;
  }

  private refreshLater(): void {
    if (this.stopping || this.later !== null) return;
    this.later = setTimeout(() => {
      this.later = null;
      this.hint();
    }, this.deps.retryLaterMs);
    this.later.unref();
  }
}

const keyOf = ({ jobId, executionNumber }: Pick<JobExecution, 'jobId' | 'executionNumber'>) =>
  `${jobId}#${executionNumber}`;
