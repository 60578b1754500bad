import { stat } from 'node:fs/promises';
import { Metadata } from '@tufjs/models';
import { ConfigError } from '../../domain/environment';
import { hasCode, ReleaseError } from './errors';
import { digestOfFile, type Digest, type Folder } from './folder';
import { expiresIn, lifetimesOf } from './metadata';
import {
  fingerprint,
  problemsOf,
  revertsOf,
  sourcesOf,
  targetsOf,
  type Highest,
  type Release,
} from './releases';
import { artifactFile, baseOf, refuseBadStage, stage, type Repository } from './repository';

/** S3 takes 5 GB in one request, and a device keeps download and slot side by side. */
export const MAX_ARTIFACT_BYTES = 4 * 1024 ** 3;

export interface AddInput {
  file: string;
  name: string;
  version: string;
  hardware: string[];
  /** Null: the highest so far. */
  securityEpoch: number | null;
  /** Null: one above the highest so far. */
  release: number | null;
  /** The lowest release that a device must run to take it directly; absent: any. */
  minimumRelease?: number | undefined;
  /** Null: what each hardware ran before; none: an empty list. */
  revertsTo: string[] | null;
  nowMs: number;
}

export interface AddResult {
  release: Release;
  reverts: Release[];
  /** The very same target is there already. */
  unchanged: boolean;
  /** It raises the security epoch, so no revert of it can be signed. */
  onlyForward: boolean;
  /** Signatures on what was staged before, which now has to be signed anew. */
  droppedSignatures: number;
}

/** Stages a release, and the reverts of it. Safe to repeat: the same target changes nothing. */
export async function addRelease(repository: Repository, input: AddInput): Promise<AddResult> {
  refuseBadStage(repository);
  const base = baseOf(repository);
  const bytes = await keepArtifact(repository.folder, input.file);
  const release = releaseOf(input, bytes, base.highest);
  const existing = base.releases.find(({ name }) => name === input.name);
  if (existing !== undefined) return unchangedOrRefused(input, existing, bytes, base.releases);
  const reverts = revertsFor(input, release, base.releases);
  const releases = [...base.releases, release, ...reverts];
  const { staged, targets, root } = repository;
  const expires = expiresIn(lifetimesOf(root).targets, input.nowMs);
  const next = targetsOf(targets.signed.version + 1, expires, base.highest, releases);
  const problems = problemsOf(base, { releases, highest: base.highest });
  if (problems.length > 0) throw new ConfigError(problems.join('; '));
  await stage(repository, 'targets', new Metadata(next));
  return {
    release,
    reverts,
    unchanged: false,
    onlyForward: release.securityEpoch > base.highest.securityEpoch && base.releases.length > 0,
    droppedSignatures: Object.keys(staged.targets?.signatures ?? {}).length,
  };
}

function releaseOf(input: AddInput, bytes: Digest, highest: Highest): Release {
  const { name, version, hardware, minimumRelease } = input;
  const release = input.release ?? highest.release + 1;
  const securityEpoch = input.securityEpoch ?? highest.securityEpoch;
  const from = minimumRelease === undefined ? {} : { minimumRelease };
  return { name, ...bytes, version, release, securityEpoch, hardware, ...from };
}

function unchangedOrRefused(
  input: AddInput,
  existing: Release,
  bytes: Digest,
  releases: readonly Release[],
): AddResult {
  const again = {
    ...releaseOf(input, bytes, existing),
    release: input.release ?? existing.release,
  };
  if (fingerprint(again) !== fingerprint(existing)) {
    const what = existing.sha256 === bytes.sha256 ? 'other conditions' : 'other bytes';
    throw new ConfigError(
      `--name: ${input.name} is release ${existing.release} already, with ${what}; a published name never changes: choose another`,
    );
  }
  const reverts = releases.filter((each) => each.reverts === existing.release);
  return { release: existing, reverts, unchanged: true, onlyForward: false, droppedSignatures: 0 };
}

function revertsFor(input: AddInput, release: Release, releases: readonly Release[]): Release[] {
  const sources = sourcesOf(releases, input);
  const missing = (input.revertsTo ?? []).filter(
    (version) => !sources.some((source) => source.version === version),
  );
  if (missing.length > 0) {
    throw new ConfigError(
      `--reverts-to: there is no release ${missing.join(', ')} for hardware ${input.hardware.join(', ')}`,
    );
  }
  const reverts = revertsOf(release, sources);
  if (input.revertsTo !== null && reverts.length < sources.length) {
    throw new ConfigError(
      `--reverts-to: this release raises the security epoch to ${release.securityEpoch}, so it can only be followed, not undone; add it with --no-revert`,
    );
  }
  return reverts;
}

/** What is kept is what was hashed, whatever happens to the file meanwhile. */
async function keepArtifact(folder: Folder, file: string): Promise<Digest> {
  await refuseUnfit(file);
  const digest = await digestOfFile(file);
  const kept = artifactFile(digest.sha256);
  if (await folder.create(kept, { file, ...digest })) return digest;
  const there = await folder.digest(kept);
  if (there?.sha256 === digest.sha256) return digest;
  throw new ReleaseError(`${folder.path}/${kept} is damaged: remove it and add again`);
}

async function refuseUnfit(file: string): Promise<void> {
  const found = await stat(file).catch((err: unknown) => {
    if (hasCode(err, 'ENOENT', 'ENOTDIR')) throw new ConfigError(`There is no file ${file}`);
    throw err;
  });
  if (!found.isFile()) throw new ConfigError(`${file} is no regular file`);
  if (found.size === 0) throw new ConfigError(`${file} is empty`);
  if (found.size > MAX_ARTIFACT_BYTES) {
    throw new ConfigError(
      `${file} has ${found.size} bytes; at most ${MAX_ARTIFACT_BYTES} are taken`,
    );
  }
}
