import fs, { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, jest } from '@jest/globals';
import { createTrust, type TrustOptions } from '../../../device-agent/trust/trust';
import { UpdateRefusedError, type Trust } from '../../../device-agent/update/types';
import { createRepository, type TufRepository } from '../../support/tuf-repository';
import { serveRepository, type RepositoryServer } from '../../support/tuf-server';

export const RELEASE = { version: '1.4.0', release: 8, securityEpoch: 2, hardware: ['pump-2'] };
export const NAME = 'pump/1.4.0.tar';

export interface TrustBed {
  dir: string;
  repository: TufRepository;
  server: RepositoryServer;
  device: (options?: Partial<TrustOptions>) => Trust;
  trustedVersion: (role: string) => unknown;
}

/** A repository with one target, and the server of it, new for each test of the file that calls this. */
export function trustBed(): TrustBed {
  const bed = {} as TrustBed;
  beforeEach(async () => {
    // Nothing in this process sees what a flush does, and it takes most of the time.
    jest.spyOn(fs, 'fsyncSync').mockReturnValue(undefined);
    const dir = mkdtempSync(join(tmpdir(), 'trust-'));
    const repository = createRepository(join(dir, 'repository'));
    repository.addTarget(NAME, 'the software', RELEASE);
    repository.publish();
    Object.assign(bed, madeOf(dir, repository, await serveRepository(repository)));
  });
  afterEach(async () => {
    await bed.server.close();
    rmSync(bed.dir, { recursive: true, force: true });
  });
  return bed;
}

function madeOf(dir: string, repository: TufRepository, server: RepositoryServer): TrustBed {
  return {
    dir,
    repository,
    server,
    device: (options = {}) =>
      createTrust({
        metadataUrl: server.metadataUrl,
        targetsUrl: server.targetsUrl,
        rootFile: repository.rootFile,
        dir: join(dir, 'device'),
        now: () => new Date(),
        limits: { requestMs: 5_000, refreshMs: 10_000, retries: 0, retryDelayMs: 1 },
        ...options,
      }),
    trustedVersion: (role) => {
      const text = readFileSync(join(dir, 'device', 'metadata', `${role}.json`), 'utf8');
      return (JSON.parse(text) as { signed: { version: unknown } }).signed.version;
    },
  };
}

export const refusal = async (act: Promise<unknown>): Promise<string> => {
  const error = await act.then(
    () => new Error('was taken'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof UpdateRefusedError)) throw error;
  return error.message;
};
