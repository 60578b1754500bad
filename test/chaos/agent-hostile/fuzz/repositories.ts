import { join } from 'node:path';
import {
  MetadataFetcher,
  RepositoryUnreachableError,
} from '../../../../device-agent/trust/metadata-fetcher';
import { createTrust } from '../../../../device-agent/trust/trust';
import {
  UpdateRefusedError,
  type Trust,
  type VerifiedTarget,
} from '../../../../device-agent/update/types';
import { DownloadHTTPError } from 'tuf-js/dist/error';
import { createRepository } from '../../../support/tuf-repository';
import type { Fuzzer } from './fuzz';
import { mutate } from './mutate';

const NAME = 'pump/1.4.0.tar';
const RELEASE = { version: '1.4.0', release: 8, securityEpoch: 2, hardware: ['b'] };
const HEAL_EVERY = 50;

/**
 * The whole of what an agent does before it downloads, with one file of the repository, and now and then one of its
 * own store, not as it should be. Files are handed over without a server between.
 */
export function repositoryFuzzer(dir: string): Fuzzer {
  const repository = createRepository(join(dir, 'repository'));
  repository.addTarget(NAME, 'software', RELEASE);
  repository.publish();
  let bad: { file: string; text: string } | null = null;
  MetadataFetcher.prototype.downloadBytes = function (url, maxLength) {
    const file = url.slice(url.lastIndexOf('/') + 1);
    if (bad?.file === file) return Promise.resolve(Buffer.from(bad.text).subarray(0, maxLength));
    if (file === '2.root.json') return Promise.reject(new DownloadHTTPError('none', 404));
    return Promise.resolve(repository.read(file));
  };
  const trust = trustIn(join(dir, 'device'), repository.rootFile);
  const fresh = (number: number): Trust =>
    trustIn(join(dir, `fresh-${number}`), repository.rootFile);
  let honest: VerifiedTarget | null = null;
  let count = 0;
  return async (random) => {
    count += 1;
    honest ??= await trust.target(NAME);
    const file = random.pick(FILES);
    bad = { file, text: mutate(random, repository.read(readable(file)).toString()) };
    const found = await outcome(random.chance(0.3) ? fresh(random.below(3)) : trust);
    if (typeof found === 'string') return { harm: 'crash', what: found };
    if (found !== null && JSON.stringify(found) !== JSON.stringify(honest))
      return { harm: 'badInstall', what: `${file}: ${bad.text.slice(0, 500)}` };
    if (count % HEAL_EVERY !== 0) return null;
    bad = null;
    const healed = await outcome(trust);
    const well = JSON.stringify(healed) === JSON.stringify(honest);
    return well
      ? null
      : { harm: 'hang', what: `the store does not heal: ${JSON.stringify(healed)}` };
  };
}

const FILES = ['timestamp.json', '1.snapshot.json', '1.targets.json', '2.root.json'] as const;
const readable = (file: string): string => (file === '2.root.json' ? '1.root.json' : file);

function trustIn(dir: string, rootFile: string): Trust {
  return createTrust({
    metadataUrl: 'http://repository/metadata',
    targetsUrl: 'http://repository/targets',
    rootFile,
    dir,
    now: () => new Date(),
    limits: { retries: 0 },
  });
}

/** Null where it is refused, a text where it fails in a way that is not foreseen. */
async function outcome(trust: Trust): Promise<VerifiedTarget | string | null> {
  try {
    return await trust.target(NAME);
  } catch (error) {
    const known =
      error instanceof UpdateRefusedError || error instanceof RepositoryUnreachableError;
    return known ? null : error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}
