import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type {
  Application,
  StartResult,
  StopResult,
} from '../../../../device-agent/supervisor/application';

type Part = Pick<Application, 'start' | 'stop' | 'try' | 'keep' | 'state'>;

/** Runs what is in a slot by reading it: the script says whether it goes on or ends. */
export class SlotApplication implements Part {
  state: Application['state'] = 'stopped';
  /** The folder that it runs in, null where it does not. */
  runsIn: string | null = null;
  private onEnd: ((how: string) => void) | null = null;

  constructor(
    private readonly folder: () => Promise<string>,
    private readonly dead: () => boolean,
  ) {}

  start = async (): Promise<StartResult> => {
    if (this.dead()) return new Promise(() => undefined);
    this.runsIn = await this.folder();
    this.state = 'running';
    const script = readFileSync(join(this.runsIn, 'run.sh'), 'utf8');
    if (!script.startsWith('exec cat')) void Promise.resolve().then(() => this.end(script));
    return { ok: true, state: 'running' };
  };

  try(onEnd: (how: string) => void): Promise<StartResult> {
    this.onEnd = onEnd;
    return this.start();
  }

  keep(): void {
    this.onEnd = null;
  }

  stop(): Promise<StopResult> {
    if (this.dead()) return new Promise(() => undefined);
    this.onEnd = null;
    this.runsIn = null;
    this.state = 'stopped';
    return Promise.resolve({ was: 'not running' });
  }

  private end(how: string): void {
    if (this.state !== 'running') return;
    this.runsIn = null;
    this.state = 'failed';
    this.onEnd?.(how.trim());
  }
}
