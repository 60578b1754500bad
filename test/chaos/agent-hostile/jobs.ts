import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostileRepository, type Attack } from './attacks';
import { HostileCloud, type EndedJob, type OfferedJob } from './cloud';
import { agentSettings } from './device';
import { DeviceDisk } from './disk';
import { hostileDocument } from './documents';
import { Oracle, type Tried } from './oracle';
import type { Finding, TargetSettings, ToTarget } from './protocol';
import type { Random } from './random';
import { Target } from './target';
import { startUploadServer, type UploadServer } from './upload-server';

export interface JobsOptions {
  jobs: number;
  random: Random;
  dir: string;
  script: string;
  found: (finding: Finding) => void;
  log: (line: string) => void;
  /** Breaks in for itself at the end, to show that it is noticed. */
  sabotage?: boolean;
}

export interface JobsReport {
  jobs: number;
  /** Honest releases that were installed among them, without which the rest would prove nothing. */
  honest: number;
  installs: number;
  /** By status. */
  ended: Record<string, number>;
  growthMiB: number;
}

const BATCH = 8;
const PATIENCE_MS = 20_000;
const AROUND_EVERY = 100;
const MAX_CRASHES = 20;

/** An agent that is given hostile jobs, one batch after the other, in one life unless it dies. */
export async function runJobs(options: JobsOptions): Promise<JobsReport> {
  const { random, dir } = options;
  mkdirSync(join(dir, 'repositories'), { recursive: true });
  const disk = new DeviceDisk(join(dir, 'world'));
  const upload = await startUploadServer(false);
  const repository = await HostileRepository.start(random, join(dir, 'repositories'));
  const { metadataUrl, targetsUrl } = repository.server;
  const { rootFile } = repository.repository;
  const urls = { metadataUrl, targetsUrl, rootFile, uploadOrigin: upload.origin };
  const settings = agentSettings({ disk, ...urls, logLevel: 'silent' });
  const siege = new Siege(options, disk, repository, upload, settings);
  try {
    return await siege.run();
  } finally {
    await siege.end();
    await Promise.all([repository.server.close(), upload.close()]);
  }
}

class Siege {
  private target: Target;
  private readonly cloud: HostileCloud;
  private readonly oracle: Oracle;
  private readonly report: JobsReport = {
    jobs: 0,
    honest: 0,
    installs: 0,
    ended: {},
    growthMiB: 0,
  };
  private crashes = 0;
  private aroundAt = 0;
  private number = 0;

  constructor(
    private readonly options: JobsOptions,
    private readonly disk: DeviceDisk,
    private readonly repository: HostileRepository,
    private readonly upload: UploadServer,
    private readonly settings: TargetSettings,
  ) {
    this.oracle = new Oracle(disk, options.found);
    this.target = this.begin();
    const say = (topic: string, payload: string): void =>
      this.target.send({ kind: 'message', topic, payload });
    this.cloud = new HostileCloud(options.random, say);
  }

  async run(): Promise<JobsReport> {
    const { report, options } = this;
    await this.target.when('ready');
    let warm: number | null = null;
    while (report.jobs < options.jobs && this.crashes < MAX_CRASHES) {
      await this.round();
      if (report.jobs >= options.jobs / 5) warm ??= await this.target.measure();
      if (report.jobs >= this.aroundAt) this.lookAround();
    }
    if (options.sabotage === true) await this.sabotage();
    report.growthMiB = (await this.target.measure()) - (warm ?? 0);
    this.oracle.checkAround();
    if (options.sabotage === true) await this.sabotageLast();
    report.installs = this.oracle.installs;
    return report;
  }

  async end(): Promise<void> {
    await this.target.stop();
  }

  private begin(): Target {
    return new Target(this.options.script, this.settings, {
      onPublish: (topic, payload) => this.cloud.receive(topic, payload),
      onFinding: this.options.found,
      onCrash: (how) => this.onCrash(how),
    });
  }

  private onCrash(how: string): void {
    this.crashes += 1;
    this.options.found({ harm: 'crash', what: how });
    if (this.crashes < MAX_CRASHES) this.target = this.begin();
    else this.cloud.withdraw();
  }

  /** Some documents, or an install in the middle of everything, or an install alone. */
  private async round(): Promise<void> {
    const { random } = this.options;
    const attack = random.chance(0.5) ? this.repository.prepare(this.oracle.position) : null;
    const documents = attack === null || random.chance(0.2) ? 1 + random.below(BATCH) : 0;
    const jobs = Array.from({ length: documents }, () =>
      this.job(hostileDocument(random, this.upload)),
    );
    const install = attack === null ? null : this.installJob(attack);
    const all = install === null ? jobs : [...jobs, install];
    const ended = await this.offer(
      all,
      attack?.what ?? 'documents',
      attack?.verdict !== 'must' && random.chance(0.02),
    );
    await this.settle();
    const tried = ended
      .filter(({ jobId }) => jobId === install?.jobId)
      .flatMap((job): Tried[] => (attack === null ? [] : [{ attack, job }]));
    this.oracle.check(tried);
    if (tried.some(({ attack: { verdict }, job }) => verdict === 'must' && job.gated))
      this.report.honest += 1;
    this.repository.clear();
  }

  private job(document: string): OfferedJob {
    this.number += 1;
    const { random } = this.options;
    const cancelAfter = random.chance(0.05) ? random.below(4) : null;
    return { jobId: `job-${this.number}`, document, cancelAfter };
  }

  private installJob(attack: Attack): OfferedJob {
    const { random } = this.options;
    this.oracle.expect(attack);
    const { target } = attack;
    const document = { version: 1, requestedBy: 'hostile/1', operation: 'install', target };
    const cancelAfter = attack.verdict !== 'must' && random.chance(0.1) ? random.below(8) : null;
    return { ...this.job(JSON.stringify(document)), cancelAfter };
  }

  private async offer(
    jobs: readonly OfferedJob[],
    what: string,
    drop: boolean,
  ): Promise<EndedJob[]> {
    const offered = this.cloud.offer(jobs);
    if (drop) this.target.send({ kind: 'drop' });
    // An update on trial waits for as long as the device is contained.
    const free = setInterval(() => this.resume(), 100);
    const patience = setTimeout(() => this.giveUp(what), PATIENCE_MS);
    const ended = await offered;
    clearInterval(free);
    clearTimeout(patience);
    this.report.jobs += jobs.length;
    for (const { status } of ended) {
      this.report.ended[status] = (this.report.ended[status] ?? 0) + 1;
    }
    return ended;
  }

  private giveUp(what: string): void {
    for (const job of this.cloud.withdraw())
      this.options.found({ harm: 'hang', what: `${what}: ${job}` });
  }

  private resume(): void {
    if (!this.disk.contained()) return;
    const document = { version: 1, requestedBy: 'operator', operation: 'resume' };
    this.number += 1;
    const jobId = `resume-${this.number}`;
    void this.cloud.add({ jobId, document: JSON.stringify(document), cancelAfter: null });
    this.cloud.notify();
  }

  /** Until nothing is under way that a cancelled job began, and the device is free. */
  private async settle(): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    let asked = 0;
    while (!this.disk.idle() || this.disk.contained()) {
      if (performance.now() > end) {
        this.options.found({ harm: 'hang', what: 'an update, or a containment, does not end' });
        return;
      }
      if (performance.now() - asked > 200) {
        asked = performance.now();
        this.resume();
      }
      await sleep(3);
    }
  }

  private lookAround(): void {
    const { report, options } = this;
    this.oracle.checkAround();
    this.aroundAt += AROUND_EVERY;
    if (this.aroundAt % 500 === 0)
      options.log(`${report.jobs} jobs, ${this.oracle.installs} installs, ${this.crashes} crashes`);
  }

  private async sabotage(): Promise<void> {
    for (const harm of ['escape', 'shell', 'growth'] as const) this.harm(harm);
    await this.target.measure();
  }

  private async sabotageLast(): Promise<void> {
    this.disk.forge();
    this.oracle.check([]);
    const crashes = this.crashes;
    this.harm('crash');
    const end = performance.now() + 10_000;
    while (this.crashes === crashes && performance.now() < end) await sleep(10);
    await this.target.when('ready');
  }

  private harm(harm: Extract<ToTarget, { kind: 'sabotage' }>['harm']): void {
    this.target.send({ kind: 'sabotage', harm, path: join(this.disk.dir, 'escape') });
  }
}
