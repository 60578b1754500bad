import { join } from 'node:path';
import type { TargetSettings } from './protocol';
import { HARDWARE } from './attacks';
import { THING } from './cloud';
import type { DeviceDisk } from './disk';

export interface Surroundings {
  disk: DeviceDisk;
  metadataUrl: string;
  targetsUrl: string;
  rootFile: string;
  uploadOrigin: string;
  logLevel: 'silent' | 'info';
}

/** An agent with all that it can do switched on, in a hurry. */
export function agentSettings(given: Surroundings): TargetSettings {
  const { disk, metadataUrl, targetsUrl, rootFile, uploadOrigin, logLevel } = given;
  const soon = { baseMs: 2, capMs: 20 };
  const config = {
    thing: THING,
    host: 'cloud',
    // Nothing is read from them: the harness plays the broker.
    caFile: rootFile,
    certFile: rootFile,
    keyFile: rootFile,
    stateDir: disk.state,
    firmwareVersion: '1.0.0',
    hardwareVersion: HARDWARE,
    telemetryIntervalMs: 500,
    minGapMs: 50,
    reconnect: soon,
    jobs: { retry: soon, retryLaterMs: 50 },
    application: {
      command: 'cat',
      args: ['run', '-'],
      env: { PATH: '/usr/bin:/bin' },
      graceMs: 2_000,
    },
    updates: {
      metadataUrl,
      targetsUrl,
      rootFile,
      dir: disk.updates,
      installer: { kind: 'slots', dir: disk.slots },
      confirmMs: 10,
      stalledMs: 100,
    },
    diagnostics: {
      hashRoots: { software: disk.slots, state: disk.state, names: join(disk.dir, 'names') },
      applicationLog: disk.log,
      uploadOrigins: [uploadOrigin],
    },
  };
  const writable = { folders: [disk.state, disk.updates], slots: disk.slots };
  return { kind: 'agent', config, logLevel, writable };
}
