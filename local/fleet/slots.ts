import { lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { installedRelease } from '../../device-agent/update/installed-release';
import { hasCode } from '../stack/errors';

export interface Installed {
  active: string;
  confirmed: string;
  /** Of the active slot; null for the factory image. */
  target: string | null;
  version: string | null;
  /** When `active` was last pointed anywhere, epoch milliseconds, by the file system. */
  since: number;
}

/** What a device's slots say it runs: links and `release.json`, as the installer `slots` keeps them. */
export function installedOn(slots: string): Installed {
  const active = readlinkSync(join(slots, 'active'));
  const release = releaseIn(join(slots, active, 'release.json'));
  return {
    active,
    confirmed: readlinkSync(join(slots, 'confirmed')),
    target: release?.target ?? null,
    version: release?.version ?? null,
    since: lstatSync(join(slots, 'active')).mtimeMs,
  };
}

function releaseIn(file: string) {
  try {
    return installedRelease.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (err) {
    if (hasCode(err, 'ENOENT')) return null;
    throw err;
  }
}
