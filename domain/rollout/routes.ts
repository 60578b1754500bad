import type { ReleaseTarget } from '../device-protocol/release-target';
import type { Hop, Route } from './types';

/** A signed target as the repository lists it. */
export type Signed = ReleaseTarget & { name: string };

export interface RouteStart {
  hardware: string;
  /** Version that runs now, and its release where it is known; null for a factory image. */
  from: string;
  release: number | null;
}

/**
 * How a device gets to a release: directly, or by the fewest stepping stones where the release asks for a minimum. Null where
 * there is no way, such as for a device whose release is higher already.
 */
export function routeTo(
  target: Signed,
  start: RouteStart,
  releases: readonly Signed[],
): Route | null {
  const path = pathTo(target, start, releases);
  if (path === null) return null;
  const { hardware, from } = start;
  return { hardware, from, hops: path.map((hop) => hopOf(hop, start, releases)) };
}

function pathTo(
  target: Signed,
  { hardware, release }: Omit<RouteStart, 'from'>,
  releases: readonly Signed[],
): Signed[] | null {
  const running = release ?? 0;
  if (!target.hardware.includes(hardware) || target.release <= running) return null;
  if (running >= (target.minimumRelease ?? 0)) return [target];
  const stones = releases
    .filter((stone) => stone.reverts === undefined && stone.release < target.release)
    .filter((stone) => stone.release >= (target.minimumRelease ?? 0));
  let best: Signed[] | null = null;
  for (const stone of stones) {
    const path = pathTo(stone, { hardware, release }, releases);
    if (path !== null && (best === null || path.length + 1 < best.length)) best = [...path, target];
  }
  return best;
}

function hopOf(hop: Signed, { hardware, from }: RouteStart, releases: readonly Signed[]): Hop {
  const revert = releases.find(
    (each) =>
      each.reverts === hop.release && each.version === from && each.hardware.includes(hardware),
  );
  return { ...named(hop), revert: revert === undefined ? null : named(revert) };
}

const named = ({ name, version, release }: Signed) => ({ target: name, version, release });

/** The release number of a version on a hardware, where the repository has it. */
export function releaseOf(
  version: string,
  hardware: string,
  releases: readonly Signed[],
): number | null {
  const found = releases.filter(
    (each) =>
      each.version === version && each.hardware.includes(hardware) && each.reverts === undefined,
  );
  return found.length === 0 ? null : Math.max(...found.map(({ release }) => release));
}

/** Names that begin like what was asked for, for an error. */
export function closeTo(name: string, releases: readonly Signed[]): string[] {
  return releases
    .map((each) => ({ name: each.name, alike: alike(name, each.name) }))
    .filter((each) => each.alike >= MIN_ALIKE)
    .sort((a, b) => b.alike - a.alike)
    .slice(0, 3)
    .map((each) => each.name);
}

const MIN_ALIKE = 3;

function alike(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  return at;
}
