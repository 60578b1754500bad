import type { Logger } from 'pino';
import { messageOf, problemOf } from '../errors';
import { OperationInterruptedError, type OperationOutcome } from '../operations/types';
import { isBeforeGate, nextState, type UpdateState } from './machine';
import { holds, outcomeOf, runningSlot } from './outcome';
import { Recovery } from './recovery';
import { Steps, type Offer, type StepDependencies } from './steps';
import { bounded, failed, joined, withdrawn, type Turn } from './turns';
import type { Slot, VerifiedTarget } from './types';
import type { CurrentUpdate, UpdateJournal } from './update-journal';

export interface RunDependencies extends StepDependencies {
  journal: UpdateJournal;
  /** The agent's own record of how executions ended, which is what gets reported. */
  recordOutcome: (key: string, outcome: OperationOutcome) => void;
  onChange: () => void;
  now: () => Date;
  log: Logger;
}

/** Without a record on disk these may not begin; the others lead out, which a full disk must not prevent. */
const NEEDS_RECORD: ReadonlySet<UpdateState> = new Set([
  'fetching',
  'installing',
  'installed',
  'activating',
  'rebooting',
  'starting',
  'committing',
]);

type Acting = Exclude<UpdateState, 'idle'>;

/** Moves one update from state to state to its end: each state is on disk before its step begins. */
export class Run {
  /** The slot that runs, as last seen. */
  active: Slot | null = null;
  private readonly steps: Steps;
  private readonly recovery: Recovery;
  private waiting: (() => void)[] = [];

  constructor(
    private readonly deps: RunDependencies,
    private readonly stopping: AbortSignal,
  ) {
    this.steps = new Steps(deps);
    this.recovery = new Recovery(deps);
  }

  get trial(): Steps['trial'] {
    return this.steps.trial;
  }

  /** A new update, or one that was interrupted while its artifact was on the way. */
  begin(
    key: string,
    target: VerifiedTarget,
    from: CurrentUpdate['from'],
    offer: Offer,
  ): Promise<OperationOutcome | null> {
    const { journal, now } = this.deps;
    const left = journal.current;
    if (left !== null) return this.proceed(left, { event: 'restarted' }, offer, { target });
    const startedAt = now().toISOString();
    const fresh = { key, target, from, startedAt, starts: 0, entries: 1, failure: null };
    const state = nextState('idle', 'admitted');
    return this.toTheEnd(() => this.record({ ...fresh, state }), offer);
  }

  /** Takes an update from the journal to its end; null where it leaves no outcome. */
  async proceed(
    update: CurrentUpdate,
    turn: Turn,
    offer: Offer | null,
    change: Partial<CurrentUpdate> = {},
  ): Promise<OperationOutcome | null> {
    return this.toTheEnd(() => this.enter(update, turn, change), offer);
  }

  /** In a new life of the agent, after the gate. What was confirmed before the last one ended stays so. */
  async carryOn(update: CurrentUpdate): Promise<void> {
    // An installer that can't say yet is told to confirm again, which does no harm.
    const slot = await this.deps.installer.confirmed().catch(() => null);
    const done = update.state === 'committing' && slot !== null && holds(slot, update.target);
    await this.proceed(update, { event: done ? 'done' : 'restarted' }, null);
  }

  refused({ state }: CurrentUpdate, { status, details }: OperationOutcome): Turn {
    const reason = details['reason'] ?? status;
    const failed = status === 'REJECTED' ? 'REJECTED' : 'FAILED';
    return { event: 'failed', failure: { step: state, reason, status: failed } };
  }

  /** Resolves once a start that is about to be made, or was just made, is through. */
  afterNextStart(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  async look(): Promise<void> {
    try {
      this.active = await runningSlot(this.deps.installer);
    } catch (error) {
      this.deps.log.error({ event: 'active slot not known', reason: messageOf(error) });
    }
  }

  async unlessStopped<T>(work: Promise<T>): Promise<T> {
    if (this.stopping.aborted) {
      work.catch(() => undefined);
      throw new OperationInterruptedError();
    }
    let stop: () => void = () => undefined;
    const stopped = new Promise<never>((_resolve, reject) => {
      stop = () => reject(new OperationInterruptedError());
    });
    this.stopping.addEventListener('abort', stop, { once: true });
    try {
      return await Promise.race([work, stopped]);
    } finally {
      this.stopping.removeEventListener('abort', stop);
    }
  }

  private async toTheEnd(
    first: () => Entered,
    offer: Offer | null,
  ): Promise<OperationOutcome | null> {
    try {
      return await this.finish(await this.through(first, offer));
    } finally {
      this.tellWaiting();
    }
  }

  /** Resolves with the update as it was when it left its last state. */
  private async through(first: () => Entered, offer: Offer | null): Promise<CurrentUpdate> {
    let update: CurrentUpdate | null = this.deps.journal.current;
    try {
      let at = first();
      while (at.state !== 'idle') {
        update = at.update;
        const turn = await this.step(at.state, update, offer);
        await this.look();
        at = this.enter(update, turn);
      }
      return at.update;
    } catch (error) {
      if (error instanceof OperationInterruptedError || update === null) throw error;
      return this.bail(update, error);
    }
  }

  private async step(state: Acting, update: CurrentUpdate, offer: Offer | null): Promise<Turn> {
    const gone = (): boolean =>
      isBeforeGate(state) && offer !== null && offer.withdrawal.signal.aborted;
    try {
      const work = this.steps.run(state, update, offer, this.stopping);
      const turn = await this.unlessStopped(work);
      return gone() && turn.event !== 'passed' ? withdrawn(update) : turn;
    } catch (error) {
      if (this.stopping.aborted) throw new OperationInterruptedError();
      return gone() ? withdrawn(update) : failed(state, error);
    }
  }

  private enter(update: CurrentUpdate, asked: Turn, change: Partial<CurrentUpdate> = {}): Entered {
    const { event, failure } = bounded(update, asked);
    const state = nextState(update.state, event);
    const next = {
      ...update,
      ...change,
      starts: Math.max(0, update.starts + this.startsOf(state, event)),
      entries: update.entries + 1,
      failure: joined(update.failure, failure),
    };
    const { name } = next.target;
    this.deps.log.info({ event: 'update', state, after: event, target: name, failure });
    return state === 'idle' ? { state, update: next } : this.record({ ...next, state });
  }

  /** On a contained device nothing is started, and a start that containment interrupts does not count. */
  private startsOf(state: UpdateState, event: Turn['event']): number {
    if (state === 'starting' && !this.deps.contained()) return 1;
    return state === 'confirming' && event === 'contained' ? -1 : 0;
  }

  private record(update: CurrentUpdate & { state: Acting }): Entered {
    const { state } = update;
    const problem = problemOf(() => this.deps.journal.enter(update));
    this.deps.onChange();
    if (state !== 'starting') this.tellWaiting();
    if (problem === null) return { state, update };
    const reason = `the state of the update can’t be written: ${problem}`;
    if (NEEDS_RECORD.has(state)) return this.enter(update, failed(state, new Error(reason)));
    this.deps.log.error({ event: 'update journal not written', state, reason: problem });
    return { state, update };
  }

  private tellWaiting(): void {
    for (const tell of this.waiting.splice(0)) tell();
  }

  /** A bug: what can be undone is undone, and the job is told. */
  private async bail(update: CurrentUpdate, error: unknown): Promise<CurrentUpdate> {
    const { installer, log } = this.deps;
    log.error({ event: 'update broken off', state: update.state, reason: messageOf(error) });
    if (!isBeforeGate(update.state)) {
      await this.recovery.attempt('revert', () => installer.revert());
    }
    await this.recovery.attempt('discard', () => installer.discard());
    const { failure } = failed(update.state, error);
    return { ...update, failure: joined(update.failure, failure) };
  }

  /** The end is on disk before it is told, so that it is told alike however often the agent starts anew. */
  private async finish(update: CurrentUpdate): Promise<OperationOutcome | null> {
    const { journal, now, log, recordOutcome, contained, application, onChange } = this.deps;
    const { key, target, failure } = update;
    const { version, release, securityEpoch } = target.release;
    if (failure !== null) await this.recovery.goBack({ target: target.name, release });
    await this.look();
    const at = now();
    const outcome = outcomeOf(update, this.active, at);
    const entry = { key, target: target.name, version, release, at: at.toISOString() };
    const reached = failure === null ? { release, securityEpoch } : NOTHING_REACHED;
    const problems = [
      problemOf(() => journal.finish(outcome === null ? null : { ...entry, outcome }, reached)),
      outcome === null ? null : problemOf(() => recordOutcome(key, outcome)),
    ].filter((problem) => problem !== null);
    for (const reason of problems) log.error({ event: 'update journal not written', reason });
    log.info({ event: 'update ended', target: target.name, ...outcome });
    if (!contained() && !this.stopping.aborted) await application.start();
    onChange();
    return outcome;
  }
}

interface Entered {
  state: UpdateState;
  update: CurrentUpdate;
}

const NOTHING_REACHED = { release: 0, securityEpoch: 0 };
