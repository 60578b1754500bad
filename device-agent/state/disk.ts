import { accessSync, constants, statfsSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ReportedState } from '../../domain/device-protocol/telemetry';
import { codeOf } from '../errors';
import { writeFileAtomically } from './atomic-file';

type DiskState = ReportedState['disk'];
type WriteFile = (path: string, content: string) => void;

const BY_GRAVITY: readonly DiskState[] = ['failing', 'read-only', 'full', 'ok'];
const STATES: Readonly<Record<string, DiskState>> = {
  ENOSPC: 'full',
  EDQUOT: 'full',
  EROFS: 'read-only',
  EACCES: 'read-only',
  EPERM: 'read-only',
};

/** What the agent's own files may need at once. */
const LOW_BYTES = 32_768;
/** A disk counts as full until so many times that much is free, so that one at the limit does not alternate. */
const ENOUGH = 2;
const LOOK_EVERY_MS = 1_000;
const TRY_EVERY_MS = 60_000;
const TRIAL_BYTES = 4_096;

/**
 * How the folders that the agent writes to are doing: by what became of its own writing, and by a look that writes
 * nothing, which costs no flash. Only a folder where writing failed is tried again by writing.
 */
export class Disk {
  /** By file: how the last attempt to write it failed. */
  private readonly refused = new Map<string, DiskState>();
  private looked: DiskState = 'ok';
  private lookedAt = -Infinity;
  private triedAt = -Infinity;

  constructor(
    private readonly folders: readonly string[],
    private readonly onChange: () => void,
    /** Milliseconds that never run backwards. */
    private readonly now: () => number = () => performance.now(),
    private readonly writeFile: WriteFile = writeFileAtomically,
  ) {}

  /** As writeFileAtomically. */
  readonly write: WriteFile = (path, content) => {
    try {
      this.writeFile(path, content);
    } catch (error) {
      const state = stateOf(error);
      const news = this.refused.get(path) !== state;
      if (this.refused.size === 0) this.triedAt = this.now();
      this.refused.set(path, state);
      if (news) this.onChange();
      throw error;
    }
    if (this.refused.delete(path)) this.onChange();
  };

  get state(): DiskState {
    const at = this.now();
    if (at - this.lookedAt >= LOOK_EVERY_MS) {
      this.lookedAt = at;
      this.looked = worst(this.folders.map((folder) => this.look(folder)));
      if (this.refused.size > 0 && at - this.triedAt >= TRY_EVERY_MS) this.tryAgain();
    }
    return worst([this.looked, ...this.refused.values()]);
  }

  private look(folder: string): DiskState {
    try {
      accessSync(folder, constants.W_OK);
      const { bavail, bsize, files, ffree } = statfsSync(folder);
      const low = this.looked === 'full' ? ENOUGH * LOW_BYTES : LOW_BYTES;
      // Some file systems have no fixed number of files, and say 0 of 0.
      return bavail * bsize < low || (files > 0 && ffree === 0) ? 'full' : 'ok';
    } catch (error) {
      // Made by the first writing.
      return codeOf(error) === 'ENOENT' ? 'ok' : stateOf(error);
    }
  }

  private tryAgain(): void {
    this.triedAt = this.now();
    for (const folder of new Set([...this.refused.keys()].map(dirname))) {
      const trial = join(folder, 'disk-check');
      try {
        this.writeFile(trial, ' '.repeat(TRIAL_BYTES));
        unlinkSync(trial);
      } catch {
        continue;
      }
      for (const path of [...this.refused.keys()].filter((file) => dirname(file) === folder)) {
        this.refused.delete(path);
      }
    }
  }
}

const stateOf = (error: unknown): DiskState => STATES[codeOf(error) ?? ''] ?? 'failing';

const worst = (states: readonly DiskState[]): DiskState =>
  BY_GRAVITY.find((state) => states.includes(state)) ?? 'ok';
