export interface Stratified {
  thing: string;
  stratum: string;
}

/**
 * The order of dispatch: any first part of it holds every stratum in its share of the whole, and one of each stratum comes
 * first, the largest strata ahead. Within a stratum the order is random but the same for the same seed.
 */
export function stratify<T extends Stratified>(devices: readonly T[], seed: string): T[] {
  // Numbers beside the devices, not an object for each: a fleet has a million of them.
  const ranks = Uint32Array.from(devices, ({ thing }) => hash32(`${seed}\0${thing}`));
  const shares = new Float64Array(devices.length);
  const sizes = new Uint32Array(devices.length);
  const number = (of: Uint32Array | Float64Array, index: number): number => of[index] ?? 0;
  const thing = (index: number): string => devices[index]?.thing ?? '';
  const stratum = (index: number): string => devices[index]?.stratum ?? '';
  for (const members of membersOf(devices)) {
    members.sort((a, b) => number(ranks, a) - number(ranks, b) || compare(thing(a), thing(b)));
    for (const [position, index] of members.entries()) {
      shares[index] = position / members.length;
      sizes[index] = members.length;
    }
  }
  const order = Uint32Array.from(devices, (_, index) => index).sort(
    (a, b) =>
      number(shares, a) - number(shares, b) ||
      number(sizes, b) - number(sizes, a) ||
      compare(stratum(a), stratum(b)) ||
      compare(thing(a), thing(b)),
  );
  const ordered: T[] = [];
  for (const index of order) {
    const device = devices[index];
    if (device !== undefined) ordered.push(device);
  }
  return ordered;
}

/** Indexes of the devices, by stratum. */
function membersOf(devices: readonly Stratified[]): Iterable<number[]> {
  const strata = new Map<string, number[]>();
  for (const [index, { stratum }] of devices.entries()) {
    const members = strata.get(stratum);
    if (members === undefined) strata.set(stratum, [index]);
    else members.push(index);
  }
  return strata.values();
}

export function countStrata(devices: readonly Stratified[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { stratum } of devices) counts.set(stratum, (counts.get(stratum) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a], [b]) => compare(a, b)));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** FNV-1a with a final mix, which spreads names that differ in their last digit. No secret depends on it. */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1)
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
