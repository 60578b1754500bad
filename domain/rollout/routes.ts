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
 * How a device gets to a release: directly, or by the fewest stepping stones where the release asks for a minimum; of ways
 * as short, the one that can be gone back, and then over the newest. Null where there is no way, such as for a device whose
 * release is higher already, or one that does not run what a revert is for.
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

/** From the lowest release up, so that many releases that ask for a minimum cost no more than their number squared. */
function pathTo(
  target: Signed,
  { hardware, from, release }: RouteStart,
  releases: readonly Signed[],
): Signed[] | null {
  const running = release ?? 0;
  if (target.reverts !== undefined && target.reverts !== running) return null;
  const stones = releases.filter(
    (each) => each.reverts === undefined && each.release < target.release,
  );
  const candidates = [...stones, target]
    .filter((each) => each.hardware.includes(hardware) && each.release > running)
    .sort((a, b) => a.release - b.release);
  const noWayBack = (path: Signed[]): number =>
    path.filter((hop) => revertOf(hop, { hardware, from }, releases) === undefined).length;
  const paths: Signed[][] = [];
  for (const each of candidates) {
    const { minimumRelease = 0 } = each;
    if (running >= minimumRelease) paths.push([each]);
    else {
      const best = paths
        .filter((path) => lastOf(path) >= minimumRelease)
        .sort(
          (a, b) => a.length - b.length || noWayBack(a) - noWayBack(b) || lastOf(b) - lastOf(a),
        )[0];
      if (best !== undefined) paths.push([...best, each]);
    }
  }
  return paths.find((path) => path.at(-1) === target) ?? null;
}

const lastOf = (path: readonly Signed[]): number => path.at(-1)?.release ?? 0;

function hopOf(hop: Signed, start: RouteStart, releases: readonly Signed[]): Hop {
  const revert = revertOf(hop, start, releases);
  return { ...named(hop), revert: revert === undefined ? null : named(revert) };
}

const revertOf = (
  { release }: Signed,
  { hardware, from }: Omit<RouteStart, 'release'>,
  releases: readonly Signed[],
): Signed | undefined =>
  releases.find(
    (each) => each.reverts === release && each.version === from && each.hardware.includes(hardware),
  );

/** Whether a device of this release commits to a higher security epoch by it. One that is not listed may have any: the lowest. */
export const raisesEpoch = (
  { securityEpoch }: Signed,
  running: number | null,
  releases: readonly Signed[],
): boolean =>
  securityEpoch > (releases.find(({ release }) => release === running)?.securityEpoch ?? 0);

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
