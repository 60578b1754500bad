import { statfs } from 'node:fs/promises';
import { arch, cpus, loadavg, platform, release, totalmem, uptime, version } from 'node:os';
import { AGENT_VERSION } from '../version';
import type { Collector } from './collector';
import type { Line } from './bundle';
import { bootTimeOf } from './processes';
import { fieldOf, tryProc } from './proc';

export interface SystemSources {
  thing: string;
  firmware: string;
  hardware: string;
  /** Folders whose file systems matter to the agent. */
  folders: readonly string[];
}

export function system(sources: SystemSources): Collector {
  return async (sink) => {
    const meminfo = (await tryProc('/proc/meminfo')) ?? '';
    const osRelease = (await tryProc('/etc/os-release', 4_096)) ?? '';
    const disks = await Promise.all(['/', ...sources.folders].map(diskOf));
    await sink.line({
      thing: sources.thing,
      agent: AGENT_VERSION,
      node: process.version,
      firmware: sources.firmware,
      hardware: sources.hardware,
      os: /^PRETTY_NAME="?([^"\n]*)/m.exec(osRelease)?.[1] ?? platform(),
      kernel: release(),
      kernelBuild: version(),
      architecture: arch(),
      processors: cpus().length,
      load: loadavg().map((load) => Math.round(load * 100) / 100),
      memoryTotalBytes: totalmem(),
      memoryAvailableBytes: Number.parseInt(fieldOf(meminfo, 'MemAvailable') ?? '0', 10) * 1_024,
      swapFreeBytes: Number.parseInt(fieldOf(meminfo, 'SwapFree') ?? '0', 10) * 1_024,
      uptimeSeconds: Math.round(uptime()),
      agentUptimeSeconds: Math.round(process.uptime()),
      agentRssBytes: process.memoryUsage.rss(),
      clock: new Date().toISOString(),
      timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      disks: disks.filter((disk) => disk !== null),
    });
  };
}

async function diskOf(
  path: string,
): Promise<{ path: string; [size: string]: string | number } | null> {
  try {
    const { bsize, blocks, bavail, files, ffree } = await statfs(path);
    const [totalBytes, availableBytes] = [blocks * bsize, bavail * bsize];
    return { path, totalBytes, availableBytes, inodes: files, inodesFree: ffree };
  } catch {
    return null;
  }
}

/** What runs where, as the updater sees it, and since when. */
export function bootState(slots: () => Promise<Line> | Line): Collector {
  return async (sink) => {
    const stat = await tryProc('/proc/stat', 1_048_576);
    const bootSeconds = stat === null ? Number.NaN : bootTimeOf(stat);
    await sink.line({
      bootId: (await tryProc('/proc/sys/kernel/random/boot_id'))?.trim() ?? null,
      bootTime: Number.isNaN(bootSeconds) ? null : new Date(bootSeconds * 1_000).toISOString(),
      slots: await slots(),
    });
  };
}
