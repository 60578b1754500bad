import type { Logger } from 'pino';
import type { ReportedState } from '../../domain/device-protocol/telemetry';
import type { AgentConfig } from '../config';
import { tellingErrors } from '../errors-told';
import type { Software } from '../software';
import { Disk } from '../state/disk';
import { Lifetime, presentable } from '../state/lifetime';
import { AGENT_VERSION } from '../version';

const MIB = 1_048_576;
/** Memory goes up and down; what counts is whether it grows. */
const MEMORY_STEP_MIB = 8;
const MAX_UPDATES = 5;
const MAX_NAME = 256;
const MAX_VERSION = 64;
const MAX_REASON = 256;

/** How a device is doing and has been doing, which a single value of its health does not tell. */
export class Condition {
  readonly lifetime: Lifetime;
  readonly disk: Disk;

  constructor(
    private readonly config: AgentConfig,
    onChange: () => void,
  ) {
    this.disk = new Disk(foldersOf(config), onChange);
    this.lifetime = new Lifetime(config.stateDir, { write: this.disk.write });
  }

  /** What is logged as an error from now on is remembered as the last one. */
  listeningTo(log: Logger): Logger {
    return tellingErrors(log, (what) => this.lifetime.noteError(what));
  }

  /** Every text has a bound: a shadow holds 8 KB, and one that is refused tells nothing at all. */
  reported(software: Pick<Software, ReportedPart>): ReportedState {
    const { lifetime, disk, config } = this;
    return {
      firmware: { version: software.version },
      hardware: { version: config.hardwareVersion },
      application: { status: software.status, restarts: lifetime.applicationRestarts },
      health: software.health,
      agent: {
        version: AGENT_VERSION,
        starts: lifetime.agentStarts,
        memoryMiB: inSteps(process.memoryUsage.rss()),
        lastError: lifetime.lastError,
      },
      boots: lifetime.boots,
      disk: disk.state,
      slot: software.slot === null ? null : presentable(software.slot, MAX_VERSION),
      update: shortened(software.update),
      updates: software.updates.slice(-MAX_UPDATES).map(({ version, outcome, at }) => ({
        version: presentable(version, MAX_VERSION),
        outcome,
        at: presentable(at, MAX_VERSION),
      })),
    };
  }
}

type ReportedPart = 'version' | 'status' | 'health' | 'slot' | 'update' | 'updates';

function foldersOf({ stateDir, updates }: AgentConfig): string[] {
  if (updates === null) return [stateDir];
  const { dir, installer } = updates;
  return [stateDir, dir, ...(installer.kind === 'slots' ? [installer.dir] : [])];
}

function inSteps(bytes: number): number {
  return Math.ceil(bytes / MIB / MEMORY_STEP_MIB) * MEMORY_STEP_MIB;
}

function shortened(update: ReportedState['update']): ReportedState['update'] {
  if (update === null) return null;
  const { target, version, reason, at } = update;
  return {
    ...update,
    target: target === null ? null : presentable(target, MAX_NAME),
    version: version === null ? null : presentable(version, MAX_VERSION),
    reason: reason === null ? null : presentable(reason, MAX_REASON),
    at: at === null ? null : presentable(at, MAX_VERSION),
  };
}
