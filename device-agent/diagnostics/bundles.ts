import { mkdirSync, readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { CollectItem } from '../../domain/device-protocol/job-document';
import { messageOf, problemOf } from '../errors';
import type { OperationContext, OperationOutcome } from '../operations/types';
import type { DiagnosticsSettings } from '../settings';
import { AGENT_VERSION } from '../version';
import { Bundle, type FinishedBundle, type Line } from './bundle';
import type { Collector, Sink } from './collector';
import { connections } from './connections';
import { hashes } from './hashes';
import { Budget, BudgetSpentError, LIMITS, type Limits } from './limits';
import { ownFiles, textFile } from './log-text';
import { printableName } from './printable';
import { processes } from './processes';
import { redact } from './redact';
import { SkippedError } from './safe-file';
import { bootState, system, type SystemSources } from './system';
import { refusalOf, upload } from './upload';

export interface BundleSources extends SystemSources {
  stateDir: string;
  settings: DiagnosticsSettings;
  /** The agent's own records: its journal, that of an update. */
  journals: readonly string[];
  /** Which slot runs, which is confirmed, what is in them. */
  slots: () => Promise<Line> | Line;
  log: Logger;
  limits?: Limits;
}

export interface CollectRequest {
  items: readonly CollectItem[];
  uploadUrl: string;
  requestedBy: string;
}

/**
 * Bundles of a fixed set of things to know of a device. INVARIANT: one at a time, so that the limits hold for all of
 * them together; nothing of one stays on the device.
 */
export class Bundles {
  private readonly folder: string;
  private readonly limits: Limits;
  private readonly stopping = new AbortController();
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly sources: BundleSources) {
    this.folder = join(sources.stateDir, 'diagnostics');
    this.limits = sources.limits ?? LIMITS;
    this.removeLeftovers();
  }

  /** After the ones before. Safe to ask again: it makes a new bundle, for the new URL that comes with it. */
  collect(
    request: CollectRequest,
    context: Pick<OperationContext, 'key'>,
  ): Promise<OperationOutcome> {
    const outcome = this.last.then(() => this.collectNow(request, context.key));
    this.last = outcome.catch(() => undefined);
    return outcome;
  }

  /** A bundle under way fails at once. */
  async stop(): Promise<void> {
    this.stopping.abort(new Error('the agent was stopped'));
    await this.last;
  }

  private async collectNow(request: CollectRequest, key: string): Promise<OperationOutcome> {
    const refusal = refusalOf(request.uploadUrl, this.sources.settings.uploadOrigins);
    if (refusal !== null) return { status: 'REJECTED', details: { reason: refusal } };
    const budget = new Budget(this.limits, this.stopping.signal);
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      const path = join(this.folder, 'bundle.ndjson.gz');
      const bundle = await this.gather(path, request, key, budget);
      await upload({
        url: request.uploadUrl,
        path,
        bytes: bundle.bytes,
        remainingMs: () => budget.remainingMs(),
        signal: this.stopping.signal,
      });
      return { status: 'SUCCEEDED', details: detailsOf(bundle, request) };
    } catch (error) {
      return { status: 'FAILED', details: { reason: clean(messageOf(error)) } };
    } finally {
      this.removeLeftovers();
    }
  }

  private async gather(
    path: string,
    request: CollectRequest,
    key: string,
    budget: Budget,
  ): Promise<FinishedBundle> {
    const bundle = await Bundle.create(path, this.limits);
    try {
      await bundle.line({
        kind: 'bundle',
        version: 1,
        thing: this.sources.thing,
        agent: AGENT_VERSION,
        execution: key,
        requestedBy: request.requestedBy,
        startedAt: new Date().toISOString(),
        items: request.items.map((item) => ({ ...item })),
      });
      await this.collectItems(bundle, request.items, budget);
      return await bundle.finish();
    } catch (error) {
      await bundle.abandon();
      throw error;
    }
  }

  private async collectItems(
    bundle: Bundle,
    items: readonly CollectItem[],
    budget: Budget,
  ): Promise<void> {
    for (const [index, item] of items.entries()) {
      const sink: Sink = {
        limits: this.limits,
        check: () => budget.check(),
        line: (content) => bundle.line({ item: index, kind: item.kind, ...content }),
        cut: (why) => bundle.cut(index, why),
      };
      try {
        sink.check();
        await this.collectorOf(item)(sink);
      } catch (error) {
        if (error instanceof BudgetSpentError) {
          for (let left = index; left < items.length; left += 1) bundle.cut(left, error.message);
          return;
        }
        this.stopping.signal.throwIfAborted();
        const why = error instanceof SkippedError ? error.why : messageOf(error);
        sink.cut(`skipped: ${why}`);
        await sink.line({ skipped: why });
      }
    }
  }

  private collectorOf(item: CollectItem): Collector {
    const { settings } = this.sources;
    switch (item.kind) {
      case 'system':
        return system(this.sources);
      case 'processes':
        return processes;
      case 'connections':
        return connections;
      case 'hashes':
        return hashes(settings.hashRoots, item.root);
      case 'applicationLog':
        return settings.applicationLog === null
          ? nothing('diagnostics.applicationLog is not set')
          : textFile(settings.applicationLog, item.maxBytes);
      case 'journal':
        return ownFiles(this.sources.journals);
      case 'slots':
        return bootState(this.sources.slots);
    }
  }

  /** Those of an agent that was killed, too. */
  private removeLeftovers(): void {
    const problem = problemOf(() => {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      for (const name of readdirSync(this.folder)) unlinkSync(join(this.folder, name));
    });
    if (problem !== null) this.sources.log.warn({ event: 'bundle not removed', reason: problem });
  }
}

const nothing =
  (why: string): Collector =>
  () =>
    Promise.reject(new SkippedError(why));

function detailsOf(bundle: FinishedBundle, { items }: CollectRequest): Record<string, string> {
  const [first] = bundle.cut;
  return {
    uploaded: 'true',
    collectedAt: new Date().toISOString(),
    sha256: bundle.sha256,
    bytes: String(bundle.bytes),
    items: String(items.length),
    lines: String(bundle.lines),
    truncated: String(first !== undefined),
    ...(first !== undefined && { cut: clean(`item ${first.item}: ${first.why}`) }),
  };
}

/** Status details leave the device, too. */
const clean = (text: string): string => printableName(redact(text));
