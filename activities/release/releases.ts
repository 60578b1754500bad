import { TargetFile, Targets, type Metadata } from '@tufjs/models';
import { basename, dirname, extname } from 'node:path/posix';
import { z } from 'zod';
import {
  releaseTarget,
  TARGET_NAME,
  type ReleaseTarget,
} from '../../domain/device-protocol/release-target';
import { ReleaseError } from './errors';
import type { Digest } from './folder';

/** AWS's limit on a job document leaves more; device-protocol/job-document.ts takes no longer name. */
export const MAX_TARGET_NAME = 256;

export interface Release extends ReleaseTarget, Digest {
  /** TUF target path. */
  name: string;
}

/** The highest numbers ever signed, over targets that are listed no more, too. */
export interface Highest {
  release: number;
  securityEpoch: number;
}

const highest = z.strictObject({
  release: z.int().min(0),
  securityEpoch: z.int().min(0),
});
export const HIGHEST_FIELD = 'x-iot-runbooks-highest';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export function releasesOf(targets: Metadata<Targets>, file: string): Release[] {
  return Object.entries(targets.signed.targets).map(([name, target]) => {
    const custom = releaseTarget.safeParse(target.custom);
    const hash = sha256.safeParse(target.hashes['sha256']);
    if (!TARGET_NAME.test(name) || name.length > MAX_TARGET_NAME || !hash.success) {
      throw new ReleaseError(`${file}: ${name} is no target of a release repository`);
    }
    if (!custom.success) {
      throw new ReleaseError(`${file}: target ${name}: ${z.prettifyError(custom.error)}`);
    }
    return { name, length: target.length, sha256: hash.data, ...custom.data };
  });
}

export function highestOf(targets: Metadata<Targets>, file: string): Highest {
  const recorded = highest.safeParse(targets.signed.unrecognizedFields[HIGHEST_FIELD]);
  if (!recorded.success) throw new ReleaseError(`${file} has no ${HIGHEST_FIELD}`);
  return raise(recorded.data, releasesOf(targets, file));
}

const raise = (from: Highest, releases: readonly Release[]): Highest => ({
  release: Math.max(from.release, ...releases.map(({ release }) => release)),
  securityEpoch: Math.max(from.securityEpoch, ...releases.map((each) => each.securityEpoch)),
});

/** The signed part of targets.json. */
export function targetsOf(
  version: number,
  expires: string,
  from: Highest,
  releases: readonly Release[],
): Targets {
  const targets = new Targets({
    version,
    specVersion: '1.0.31',
    expires,
    unrecognizedFields: { [HIGHEST_FIELD]: { ...raise(from, releases) } },
  });
  for (const { name, length, sha256: hash, reverts, minimumRelease, ...rest } of releases) {
    const custom = {
      ...rest,
      ...(minimumRelease !== undefined && { minimumRelease }),
      ...(reverts !== undefined && { reverts }),
    };
    targets.addTarget(
      new TargetFile({
        path: name,
        length,
        hashes: { sha256: hash },
        unrecognizedFields: { custom },
      }),
    );
  }
  return targets;
}

/**
 * What may follow on what was signed: a target is never changed, releases only rise and are given once, an epoch is
 * never below the highest, and a revert names a release that is listed. Whoever signs asks this of the file at hand,
 * which others may have edited.
 */
export function problemsOf(
  before: { releases: readonly Release[]; highest: Highest },
  after: { releases: readonly Release[]; highest: Highest },
): string[] {
  const known = new Map(before.releases.map((release) => [release.name, release]));
  const fresh = after.releases.filter(({ name }) => !known.has(name));
  const numbers = after.releases.map(({ release }) => release);
  const problems = after.releases
    .filter((release) => {
      const earlier = known.get(release.name);
      return earlier !== undefined && fingerprint(earlier) !== fingerprint(release);
    })
    .map(({ name }) => `${name} was signed before with other content`);
  for (const { name, release, securityEpoch, reverts, minimumRelease } of fresh) {
    if (release <= before.highest.release)
      problems.push(`${name}: release ${release} is not above ${before.highest.release}`);
    if (securityEpoch < before.highest.securityEpoch)
      problems.push(`${name}: epoch ${securityEpoch} is below ${before.highest.securityEpoch}`);
    if (reverts !== undefined && (!numbers.includes(reverts) || reverts >= release))
      problems.push(`${name} reverts release ${reverts}, which is not an earlier one here`);
    if (
      minimumRelease !== undefined &&
      !numbers.some((other) => other >= minimumRelease && other < release)
    )
      problems.push(`${name}: no earlier release here is ${minimumRelease} or later`);
  }
  if (new Set(numbers).size !== numbers.length) problems.push('a release number is given twice');
  if (after.highest.release < before.highest.release)
    problems.push('the highest release number has fallen');
  if (after.highest.securityEpoch < before.highest.securityEpoch)
    problems.push('the highest security epoch has fallen');
  return problems;
}

export const fingerprint = (release: Release): string =>
  JSON.stringify([
    release.length,
    release.sha256,
    release.version,
    release.release,
    release.securityEpoch,
    [...release.hardware].sort(),
    release.reverts ?? null,
    ...(release.minimumRelease === undefined ? [] : [release.minimumRelease]),
  ]);

/** By default a release can be reverted to what its hardware ran before: the newest release for each, reverts aside. */
export function sourcesOf(
  releases: readonly Release[],
  { hardware, revertsTo }: { hardware: readonly string[]; revertsTo: readonly string[] | null },
): Release[] {
  const newest = releases
    .filter(({ reverts }) => reverts === undefined)
    .sort((a, b) => b.release - a.release);
  const runsOn = (release: Release, version: string): boolean => release.hardware.includes(version);
  const found =
    revertsTo === null
      ? hardware.map((version) => newest.find((release) => runsOn(release, version)))
      : revertsTo.map((version) =>
          newest.find(
            (each) => each.version === version && hardware.some((hw) => runsOn(each, hw)),
          ),
        );
  return [...new Set(found.filter((each) => each !== undefined))];
}

/**
 * The revert targets of a new release: old bytes, a number above it, for the hardware that both run on. None leads
 * below the floor, which the new release itself sets: one that raises the epoch can only be followed, not undone.
 */
export function revertsOf(release: Release, sources: readonly Release[]): Release[] {
  return sources
    .filter(({ securityEpoch }) => securityEpoch >= release.securityEpoch)
    .map((source, index) => ({
      name: revertName(source.name, release.release),
      length: source.length,
      sha256: source.sha256,
      version: source.version,
      release: release.release + 1 + index,
      securityEpoch: release.securityEpoch,
      hardware: source.hardware.filter((version) => release.hardware.includes(version)),
      reverts: release.release,
    }));
}

function revertName(name: string, release: number): string {
  const folder = dirname(name);
  const file = basename(name);
  // `.tar.gz` is one ending: the device unpacks by it.
  const ending = /\.tar\.[a-z0-9]+$/.exec(file)?.[0] ?? extname(file);
  const fresh = `${file.slice(0, file.length - ending.length)}-revert-of-${release}${ending}`;
  return folder === '.' ? fresh : `${folder}/${fresh}`;
}
