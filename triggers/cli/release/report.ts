import type { AddResult } from '../../../activities/release/add';
import type { InitResult } from '../../../activities/release/init';
import type { PublishResult } from '../../../activities/release/publish';
import type { Release } from '../../../activities/release/releases';
import type { Signed } from '../../../activities/release/sign';
import type { VerifyResult } from '../../../activities/release/verify';
import type { InitOptions } from './config';

export function describeInit(result: InitResult, { dir, threshold }: InitOptions): string {
  return [
    `Made ${dir}. Ship this root with every device: ${result.rootFile}`,
    `Offline keys, ${threshold} of each role to sign; move each off this machine, to another holder, and keep a copy in a safe:`,
    ...result.offlineKeys.map((file) => `  ${file}`),
    'Online keys, for the machine that publishes:',
    ...result.onlineKeys.map((file) => `  ${file}`),
    'Next: npm run release -- add <file> --version <v> --hardware <a,b>',
  ].join('\n');
}

const describeRelease = (release: Release): string =>
  `${release.name}: version ${release.version}, release ${release.release}, security epoch ${release.securityEpoch}, for ${release.hardware.join(', ')}${release.reverts === undefined ? '' : `, reverts release ${release.reverts}`}${release.minimumRelease === undefined ? '' : `, from release ${release.minimumRelease} on`}, ${release.length} bytes, SHA-256 ${release.sha256}`;

export function describeAdded(result: AddResult, { dir }: { dir: string }): string {
  const { release, reverts, unchanged, onlyForward, droppedSignatures } = result;
  const lines = [describeRelease(release), ...reverts.map((each) => `  ${describeRelease(each)}`)];
  if (unchanged) return [`Nothing to do: it is there already.`, ...lines].join('\n');
  if (onlyForward) {
    lines.push(
      `It raises the security epoch to ${release.securityEpoch}: once a device has confirmed it there is NO WAY BACK, only forward to a later release.`,
    );
  } else if (reverts.length === 0) {
    lines.push('No revert is staged: a device that has confirmed it can only go forward.');
  }
  if (droppedSignatures > 0) {
    lines.push(
      `${droppedSignatures} signatures on what was staged before are void: all have to sign anew.`,
    );
  }
  return [...lines, `Next: npm run release -- sign --dir ${dir} --keys <offline keys>`].join('\n');
}

export function describeSigned(
  signed: readonly Signed[],
  releases: readonly Release[],
  { dir, dryRun }: { dir: string; dryRun: boolean },
): string {
  const inForce = dryRun ? ', enough' : ', in force';
  const lines = signed.map(
    ({ role, version, expires, signatures, threshold, complete }) =>
      `${role}.json version ${version}, expires ${expires}: ${signatures} of ${threshold} signatures${complete ? inForce : ''}`,
  );
  if (dryRun) return [...releases.map(describeRelease), ...lines, 'Nothing was signed.'].join('\n');
  const next = signed.every(({ complete }) => complete)
    ? `Next: npm run release -- publish --dir ${dir} --online-keys <online keys> --to <place>`
    : `Next: the other key holders sign, here or on a copy of ${dir} (bring ${dir}/staged back and --merge it)`;
  return [...releases.map(describeRelease), ...lines, next].join('\n');
}

export function describePublished(result: PublishResult, place: string, dryRun: boolean): string {
  const { root, targets, snapshot, timestamp } = result.versions;
  if (dryRun) return `${result.written.length} files would be written to ${place}.`;
  return [
    `Published to ${place}: root ${root}, targets ${targets}, snapshot ${snapshot}, timestamp ${timestamp}.`,
    `Publish again before ${result.expires} (a cron job with --refresh), or devices take no update.`,
  ].join('\n');
}

export function describeVerified(result: VerifyResult, artifacts: boolean): string {
  const { releases, highest, metadata } = result;
  const expiries = Object.entries(metadata).map(
    ([role, { version, expires, daysLeft }]) =>
      `  ${role} version ${version}: ${daysLeft} days left (${expires})`,
  );
  return [
    `A device accepts this repository${artifacts ? ', artifacts included' : ''}.`,
    ...releases.map((release) => `  ${describeRelease(release)}`),
    `Highest release ${highest.release}, security epoch ${highest.securityEpoch}`,
    ...expiries,
  ].join('\n');
}
