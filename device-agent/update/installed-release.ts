import { z } from 'zod';
import type { InstalledRelease, VerifiedTarget } from './types';

export const installedRelease: z.ZodType<InstalledRelease> = z.strictObject({
  target: z.string().min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  version: z.string().min(1),
  release: z.int().min(0),
  securityEpoch: z.int().min(0),
});

export function releaseOf(target: VerifiedTarget): InstalledRelease {
  const { version, release, securityEpoch } = target.release;
  return { target: target.name, sha256: target.sha256, version, release, securityEpoch };
}
