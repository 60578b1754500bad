import {
  releaseTarget,
  TARGET_NAME,
  type ReleaseTarget,
} from '../../domain/device-protocol/release-target';
import { UpdateRefusedError, type Trust, type VerifiedTarget } from '../update/types';
import { oneLine, refreshed, type RefreshOptions, type SignedTarget } from './updater';

export interface TrustOptions extends RefreshOptions {
  targetsUrl: string;
}

/** The update repository of one device. One refresh at a time: they share a folder. */
export function createTrust(options: TrustOptions): Trust {
  let last: Promise<unknown> = Promise.resolve();
  const target = async (name: string): Promise<VerifiedTarget> =>
    await refreshed(options, async ({ find, hashPrefixed }) =>
      verified(name, await find(name), options.targetsUrl, hashPrefixed),
    );
  return {
    target: (name) => {
      const next = last.then(() => target(name));
      last = next.catch(() => undefined);
      return next;
    },
  };
}

function verified(
  name: string,
  signed: SignedTarget | undefined,
  targetsUrl: string,
  hashPrefixed: boolean,
): VerifiedTarget {
  if (!TARGET_NAME.test(name)) throw new UpdateRefusedError('the target has no valid name');
  if (signed === undefined)
    throw new UpdateRefusedError(`${name} is not in the signed targets of the repository`);
  const { length } = signed;
  if (!Number.isSafeInteger(length) || length < 1)
    throw new UpdateRefusedError(`${name}: length is ${length}, must be a positive integer`);
  const sha256 = signed.hashes['sha256']?.toLowerCase() ?? '';
  if (!/^[0-9a-f]{64}$/.test(sha256))
    throw new UpdateRefusedError(`${name}: hashes.sha256 is missing or no SHA-256`);
  const release = parseRelease(name, signed.custom);
  const url = artifactUrl(targetsUrl, hashPrefixed ? prefixed(name, sha256) : name);
  return { name, length, sha256, url, release };
}

function parseRelease(name: string, custom: unknown): ReleaseTarget {
  const parsed = releaseTarget.safeParse(custom);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    ({ path, message }) => `custom.${path.join('.')}: ${message}`,
  );
  throw new UpdateRefusedError(`${name}: ${oneLine(problems.join('; '))}`);
}

/** `pump/1.4.0.tar` is published as `pump/<sha256>.1.4.0.tar`. */
export function prefixed(name: string, hash: string): string {
  const file = name.lastIndexOf('/') + 1;
  return `${name.slice(0, file)}${hash}.${name.slice(file)}`;
}

export function artifactUrl(targetsUrl: string, path: string): string {
  const base = targetsUrl.endsWith('/') ? targetsUrl : `${targetsUrl}/`;
  return new URL(base + path.split('/').map(encodeURIComponent).join('/')).href;
}
