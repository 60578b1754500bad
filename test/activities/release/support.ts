import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addRelease, type AddInput, type AddResult } from '../../../activities/release/add';
import { initRepository, type InitInput } from '../../../activities/release/init';
import { publish, type PublishInput } from '../../../activities/release/publish';
import { openRepository } from '../../../activities/release/repository';
import { renew, signStaged, type Signed } from '../../../activities/release/sign';
import { readSigners } from '../../../activities/release/signer';
import type { ReleaseStore } from '../../../activities/release/store';
import { verifyRepository } from '../../../activities/release/verify';

export const NOW = Date.now();

/** One repository in a folder of its own, with the steps of a release as a person would take them. */
export async function makeBench(options: Partial<InitInput> = {}) {
  const home = mkdtempSync(join(tmpdir(), 'release-'));
  const dir = join(home, 'repo');
  const keysDir = join(home, 'keys');
  const init = (more: Partial<InitInput> = {}) =>
    initRepository({
      dir,
      keysDir,
      threshold: 2,
      rootKeys: 2,
      targetsKeys: 3,
      lifetimes: { root: 365, targets: 90, snapshot: 7, timestamp: 3 },
      passphrase: null,
      nowMs: NOW,
      ...options,
      ...more,
    });
  const made = await init();
  const file = (name: string, content: string): string => {
    writeFileSync(join(home, name), content);
    return join(home, name);
  };
  const add = async (version: string, more: Partial<AddInput> = {}): Promise<AddResult> =>
    addRelease(await openRepository(dir), {
      file: more.file ?? file(`${version}.tar`, `bytes of ${version}`),
      name: `pump/${version}.tar`,
      version,
      hardware: ['rev-a'],
      securityEpoch: null,
      release: null,
      revertsTo: null,
      nowMs: NOW,
      ...more,
    });
  const sign = async (
    keys: string[] = ['offline'],
    passphrase: string | null = null,
    dryRun = false,
  ): Promise<Signed[]> => {
    const paths = keys.map((key) => join(keysDir, key));
    const signers = await readSigners(paths, passphrase);
    return signStaged(await openRepository(dir), { signers, others: [], dryRun });
  };
  const publishTo = async (store: ReleaseStore, more: Partial<PublishInput> = {}) =>
    publish(await openRepository(dir), store, {
      signers: await readSigners([join(keysDir, 'online')], null),
      nowMs: NOW,
      dryRun: false,
      refresh: false,
      progress: () => undefined,
      ...more,
    });
  const verify = (from: ReleaseStore | { url: string }) =>
    verifyRepository({
      rootFile: made.rootFile,
      from,
      artifacts: true,
      nowMs: NOW,
      progress: () => undefined,
    });
  return {
    home,
    dir,
    keysDir,
    made,
    init,
    file,
    add,
    sign,
    publishTo,
    verify,
    open: () => openRepository(dir),
    renew: async (role: 'root' | 'targets') => renew(await openRepository(dir), role, NOW),
  };
}
export type Bench = Awaited<ReturnType<typeof makeBench>>;
