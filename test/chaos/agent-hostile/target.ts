import { fork, type ChildProcess } from 'node:child_process';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import type { Finding, FromTarget, TargetSettings, ToTarget } from './protocol';

const ROOT = resolve(__dirname, '../../..');
/** As the service has it, so that what grows is not room that V8 takes because the machine has it. */
const HEAP = ['--max-semi-space-size=1', '--max-old-space-size=96'];
const STOP_MS = 15_000;
const TAIL = 4_000;

/** In one file: it starts at once, and nothing but the agent writes a file in that process. */
export async function bundleTarget(dir: string): Promise<string> {
  const outfile = join(dir, 'target.js');
  await build({
    entryPoints: [join(ROOT, 'test/chaos/agent-hostile/target/main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
  });
  return outfile;
}

export interface TargetEvents {
  onPublish?: (topic: string, payload: string) => void;
  onFinding: (finding: Finding) => void;
  onFuzzed?: (count: number) => void;
  onLog?: (line: string) => void;
  /** It ended though nobody asked it to. */
  onCrash: (how: string) => void;
}

/** One life of the process that is attacked. */
export class Target {
  /** Resolves once it is over, however. */
  readonly ended: Promise<void>;
  readonly memory: number[] = [];
  private readonly child: ChildProcess;
  private readonly waiting = new Map<FromTarget['kind'], (() => void)[]>();
  private expected = false;
  private errors = '';

  constructor(
    script: string,
    settings: TargetSettings,
    private readonly events: TargetEvents,
  ) {
    this.child = fork(script, [JSON.stringify(settings)], {
      execArgv: ['--expose-gc', ...HEAP],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const { stdout, stderr } = this.child;
    if (stdout === null || stderr === null) throw new Error('the target has no output');
    createInterface({ input: stdout }).on('line', (line) => this.events.onLog?.(line));
    stderr.on(
      'data',
      (text: Buffer) => (this.errors = `${this.errors}${text.toString()}`.slice(-TAIL)),
    );
    this.child.on('message', (message: FromTarget) => this.take(message));
    this.ended = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => {
        this.onExit(code, signal);
        resolve();
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  send(message: ToTarget): void {
    if (this.child.connected) this.child.send(message, () => undefined);
  }

  /** Resolves with the first message of the kind, or with the end of the process. */
  async when(kind: FromTarget['kind']): Promise<void> {
    const said = new Promise<void>((tell) => {
      this.waiting.set(kind, [...(this.waiting.get(kind) ?? []), tell]);
    });
    await Promise.race([said, this.ended]);
  }

  /** Mebibytes in use, after a garbage collection. */
  async measure(): Promise<number> {
    const said = this.when('memory');
    this.send({ kind: 'measure' });
    await said;
    return this.memory.at(-1) ?? 0;
  }

  async stop(): Promise<void> {
    this.expected = true;
    this.send({ kind: 'stop' });
    const timer = setTimeout(() => {
      this.events.onFinding({ harm: 'hang', what: 'the agent does not stop' });
      this.child.kill('SIGKILL');
    }, STOP_MS);
    await this.ended;
    clearTimeout(timer);
  }

  private take(message: FromTarget): void {
    if (message.kind === 'publish') this.events.onPublish?.(message.topic, message.payload);
    if (message.kind === 'finding') this.events.onFinding(message.finding);
    if (message.kind === 'fuzzed') this.events.onFuzzed?.(message.count);
    if (message.kind === 'memory') this.memory.push(message.mib);
    const waiting = this.waiting.get(message.kind) ?? [];
    this.waiting.delete(message.kind);
    for (const tell of waiting) tell();
  }

  private onExit(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.expected) return;
    this.events.onCrash(`${signal ?? `exit code ${code ?? 'unknown'}`}: ${this.errors}`);
  }
}
