export interface Stratified {
  thing: string;
  stratum: string;
}

/**
 * The order of dispatch: any first part of it holds every stratum in its share of the whole, and one of each stratum comes
 * first, the largest strata ahead. Within a stratum the order is random but the same for the same seed.
 */
export function stratify<T extends Stratified>(devices: readonly T[], seed: string): T[] {
  const strata = new Map<string, { device: T; rank: number }[]>();
  for (const device of devices) {
    const members = strata.get(device.stratum) ?? [];
    members.push({ device, rank: hash32(`${seed}\0${device.thing}`) });
    strata.set(device.stratum, members);
  }
  const placed: { device: T; at: number; size: number }[] = [];
  for (const members of strata.values()) {
    members.sort((a, b) => a.rank - b.rank || compare(a.device.thing, b.device.thing));
    const size = members.length;
    for (const [index, { device }] of members.entries())
      placed.push({ device, at: index / size, size });
  }
  placed.sort(
    (a, b) =>
      a.at - b.at ||
      b.size - a.size ||
      compare(a.device.stratum, b.device.stratum) ||
      compare(a.device.thing, b.device.thing),
  );
  return placed.map(({ device }) => device);
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
