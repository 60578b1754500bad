import { z } from 'zod';

/** A TUF target path: segments of letters, digits, `.`, `_`, `-`, none starting with a dot. */
export const TARGET_NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]*(\/[a-zA-Z0-9][a-zA-Z0-9._-]*)*$/;

/**
 * `custom` of a target in TUF's targets metadata: what offline keys signed about an artifact beside its length and
 * hash. Strict, so that an agent never overlooks a condition that it does not know yet.
 * Anti-rollback follows Uptane (release counter, hardware identifiers):
 * https://uptane.org/papers/uptane-standard.2.1.0.html
 */
export const releaseTarget = z.strictObject({
  version: z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9.+_-]{0,63}$/),
  /** Only ever rises, over every artifact that a device may run, reverts included. */
  release: z.int().min(1),
  /** A floor: once a target of this epoch is committed, none of a lower epoch is taken. */
  securityEpoch: z.int().min(0),
  /** Hardware versions that it runs on. */
  hardware: z.array(z.string().min(1).max(64)).min(1).max(64),
  /** The lowest release that a device must run to take it directly; a device below needs a stepping stone. */
  minimumRelease: z.int().min(1).optional(),
  /** A revert target: old bytes under a higher release, only for a device that now runs this release. */
  reverts: z.int().min(1).optional(),
});
export type ReleaseTarget = z.infer<typeof releaseTarget>;
