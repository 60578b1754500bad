import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TrustedMetadataStore } from 'tuf-js/dist/store';
import { admit } from '../../../../domain/device-protocol/admission';
import { releaseTarget } from '../../../../domain/device-protocol/release-target';
import { parseJson } from '../../../../device-agent/errors';
import { installedRelease } from '../../../../device-agent/update/installed-release';
import { createSlotsInstaller } from '../../../../device-agent/update/installers/slots';
import { createRepository } from '../../../support/tuf-repository';
import { DeviceDisk } from '../disk';
import type { Finding } from '../protocol';
import type { Random } from '../random';
import type { Fuzzer } from './fuzz';
import { mutate } from './mutate';

const ROLES = ['root', 'timestamp', 'snapshot', 'targets'] as const;
type Role = (typeof ROLES)[number];
const RELEASE = { version: '1.4.0', release: 8, securityEpoch: 2, hardware: ['b'], reverts: 7 };
const INSTALLED = {
  target: 'pump/1.4.0.tar',
  sha256: 'ab'.repeat(32),
  version: '1.4.0',
  release: 8,
  securityEpoch: 2,
};
const DEVICE = {
  hardware: 'b',
  running: { release: 7, securityEpoch: 2 },
  floor: { release: 7, securityEpoch: 2 },
};

/** Metadata of each TUF role, what the offline keys say of a target, and what a slot says of itself. */
export function manifestFuzzer(dir: string): Fuzzer {
  const repository = createRepository(join(dir, 'repository'));
  repository.addTarget('pump/1.4.0.tar', 'software', RELEASE);
  // Without their hashes in the metadata above them they are looked at as closely as can be.
  repository.publish({ bare: true });
  const files: Record<Role, string> = {
    root: repository.read('1.root.json').toString(),
    timestamp: repository.read('timestamp.json').toString(),
    snapshot: repository.read('1.snapshot.json').toString(),
    targets: repository.read('1.targets.json').toString(),
  };
  const disk = new DeviceDisk(join(dir, 'device'));
  const slot = slotFuzzer(disk);
  const metadata = metadataFuzzer(files);
  return (random) => {
    if (random.chance(0.6)) return metadata(random);
    return random.chance(0.8) ? fuzzTarget(random) : slot(random);
  };
}

function metadataFuzzer(files: Record<Role, string>): Fuzzer {
  const stores = new Map<Role, TrustedMetadataStore>();
  const signed = Object.fromEntries(
    ROLES.map((role) => [role, feed(role, files[role], storeFor(role, files))]),
  );
  return (random) => {
    let taken: string;
    const role = random.pick(ROLES);
    const text = mutate(random, files[role]);
    // Whatever is thrown, the agent takes for a refusal; what counts is what is not thrown.
    try {
      const store = stores.get(role) ?? storeFor(role, files);
      stores.set(role, store);
      taken = feed(role, text, store);
    } catch {
      return null;
    }
    stores.delete(role);
    if (taken === signed[role]) return null;
    return { harm: 'badInstall', what: `${role} metadata is trusted: ${text.slice(0, 500)}` };
  };
}

/** Trusts what comes before the role. */
function storeFor(role: Role, files: Record<Role, string>): TrustedMetadataStore {
  const store = new TrustedMetadataStore(Buffer.from(files.root));
  if (role === 'snapshot' || role === 'targets')
    store.updateTimestamp(Buffer.from(files.timestamp));
  if (role === 'targets') store.updateSnapshot(Buffer.from(files.snapshot));
  return store;
}

/** What is trusted from now on, in the order that it is signed in: tuf-js leaves out what it has no use for. */
function feed(role: Role, text: string, store: TrustedMetadataStore): string {
  const bytes = Buffer.from(text);
  const taken = (): { toJSON: () => unknown } => {
    switch (role) {
      case 'root':
        return new TrustedMetadataStore(bytes).root.signed;
      case 'timestamp':
        return store.updateTimestamp(bytes).signed;
      case 'snapshot':
        return store.updateSnapshot(bytes).signed;
      case 'targets':
        store.updateDelegatedTargets(bytes, 'targets', 'root');
        return store.getRole('targets')?.signed ?? { toJSON: () => null };
    }
  };
  return JSON.stringify(sorted(taken().toJSON()));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, inner]) => [key, sorted(inner)]);
}

function fuzzTarget(random: Random): Finding | null {
  if (random.chance(0.3)) {
    installedRelease.safeParse(parseJson(mutate(random, JSON.stringify(INSTALLED))));
    return null;
  }
  const text = mutate(random, JSON.stringify(RELEASE));
  const parsed = releaseTarget.safeParse(parseJson(text));
  if (!parsed.success || !admit(parsed.data, DEVICE).admitted) return null;
  const { release, securityEpoch, hardware, reverts = 7 } = parsed.data;
  const next = release > 7 && securityEpoch >= 2 && reverts === 7;
  const whole = [release, securityEpoch].every(Number.isSafeInteger);
  if (next && whole && hardware.includes('b')) return null;
  return { harm: 'badInstall', what: `admitted: ${text}` };
}

function slotFuzzer(disk: DeviceDisk): Fuzzer {
  const path = join(disk.slots, 'a', 'release.json');
  const installer = createSlotsInstaller({ dir: disk.slots });
  return async (random) => {
    const text = mutate(random, JSON.stringify(INSTALLED));
    writeFileSync(path, text);
    const { name, installed } = await installer.confirmed();
    if (name !== 'a') return { harm: 'badInstall', what: `slot ${name} is confirmed: ${text}` };
    const known = installed === null || Number.isSafeInteger(installed.release);
    const kept = readFileSync(path, 'utf8') === Buffer.from(text).toString();
    return known && kept ? null : { harm: 'badInstall', what: `taken for a release: ${text}` };
  };
}
