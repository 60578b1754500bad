import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fetchArtifact } from '../../device-agent/update/download';
import { createSlotsInstaller } from '../../device-agent/update/installers/slots';
import type { VerifiedTarget } from '../../device-agent/update/types';

/** A process of its own, bundled as the agent is, that takes one update from the URL to the disk. */
async function install(target: VerifiedTarget, dir: string): Promise<void> {
  const installer = createSlotsInstaller({ dir: join(dir, 'slots') });
  await installer.active();
  const started = performance.now();
  const path = join(dir, 'download', `${target.sha256}.part`);
  const spaceNeeded = await installer.spaceNeeded(target);
  await fetchArtifact({ target, path, bytesPerSecond: null, stalledMs: 60_000, spaceNeeded });
  const fetchMs = performance.now() - started;
  await installer.install(path, target);
  const ms = performance.now() - started;
  const { user, system } = process.cpuUsage();
  const peakKb = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
  const figures = { ms, fetchMs, cpuMs: (user + system) / 1_000, peakKb };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

const [target = '', dir = ''] = process.argv.slice(2);
void install(JSON.parse(target) as VerifiedTarget, dir);
