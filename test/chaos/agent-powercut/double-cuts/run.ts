import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { serveRepository } from '../../../support/tuf-server';
import type { Operation } from '../patched-fs';
import { createReleases } from '../releases';
import { scratchFolder } from '../scratch';
import { doubleCut, prepareBench, type DoubleCutReport } from './double-cut';
import { watchLives } from './life';

export interface DoubleCutsOptions {
  /** Each case has a seed of its own, from here on. */
  seed: number;
  count: number;
  /** Calls that the disk only says it has made. */
  lies?: readonly Operation[];
  onReport: (report: DoubleCutReport) => void;
  /** After such a one there is no other. */
  until?: (report: DoubleCutReport) => boolean;
}

/** Power cuts in this process: the same code and real files, with a service and an application made up. */
export async function runDoubleCuts(options: DoubleCutsOptions): Promise<void> {
  const { seed, count, lies = [], onReport, until = () => false } = options;
  const dir = scratchFolder();
  const releases = createReleases(join(dir, 'repository'));
  const server = await serveRepository({ dir: join(dir, 'repository') });
  const { metadataUrl, targetsUrl } = server;
  const repository = { metadataUrl, targetsUrl, rootFile: releases.rootFile };
  const unwatch = watchLives(lies);
  try {
    const bench = await prepareBench(join(dir, 'bench'), repository, releases.publish);
    for (let nth = 0; nth < count; nth += 1) {
      const report = await doubleCut(bench, seed + nth);
      onReport(report);
      if (until(report)) return;
    }
  } finally {
    unwatch();
    await server.close();
    rmSync(dir, { recursive: true, force: true });
  }
}
