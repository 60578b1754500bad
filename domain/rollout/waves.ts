/** A wave's size: so many devices, or so many devices of all up to its end. */
export type WaveSize =
  { kind: 'count'; count: number } | { kind: 'share'; percent: number; atLeast: number };

const SHARE = /^(\d{1,3}(?:\.\d)?)%$/;
const SHARE_AT_LEAST = /^max\((\d{1,6}), (\d{1,3}(?:\.\d)?)%\)$/;
export const WAVE_EXAMPLES = '`[5, 20, 100]` or `["max(5, 1%)", "10%", "100%"]`';

/** Null where it is neither. */
export function parseWave(value: number | string): WaveSize | null {
  if (typeof value === 'number') {
    return Number.isInteger(value) && value > 0 ? { kind: 'count', count: value } : null;
  }
  const atLeast = SHARE_AT_LEAST.exec(value);
  const match = atLeast ?? SHARE.exec(value);
  if (match === null) return null;
  const percent = Number(match.at(-1));
  if (percent <= 0 || percent > 100) return null;
  return { kind: 'share', percent, atLeast: atLeast === null ? 0 : Number(match[1]) };
}

/** What is wrong with the waves whatever the fleet; null where nothing is. */
export function wavesProblem(waves: readonly (number | string)[]): string | null {
  const sizes = waves.map(parseWave);
  if (sizes.length === 0 || sizes.includes(null)) return `must be like ${WAVE_EXAMPLES}`;
  const shares = sizes.filter((size) => size?.kind === 'share');
  if (shares.length === 0) return null;
  if (shares.length < sizes.length) return 'must be all numbers of devices, or all shares';
  const percents = shares.map(({ percent }) => percent);
  if (percents.at(-1) !== 100) return 'must end at 100%: shares are of all devices so far';
  if (percents.some((percent, at) => at > 0 && percent <= (percents[at - 1] ?? 0)))
    return 'must rise: shares are of all devices so far';
  return null;
}

/** Devices per wave; waves that would be empty in a small fleet are left out. */
export function waveSizes(
  waves: readonly (number | string)[],
  devices: number,
): { ok: true; sizes: number[] } | { ok: false; problem: string } {
  const problem = wavesProblem(waves);
  if (problem !== null) return { ok: false, problem };
  const sizes = waves.map(parseWave).filter((size) => size !== null);
  const counts = sizes.flatMap((size) => (size.kind === 'count' ? [size.count] : []));
  if (counts.length > 0) return countedWaves(counts, devices);
  let before = 0;
  const shares = sizes.map((size) => {
    const upTo = size.kind === 'share' ? upToOf(size, devices) : devices;
    const count = Math.max(0, upTo - before);
    before = Math.max(before, upTo);
    return count;
  });
  return { ok: true, sizes: shares.filter((count) => count > 0) };
}

function countedWaves(counts: number[], devices: number): ReturnType<typeof waveSizes> {
  const sum = counts.reduce((total, count) => total + count, 0);
  if (sum === devices) return { ok: true, sizes: counts };
  return { ok: false, problem: `${counts.join(' + ')} are ${sum}, but ${devices} devices are due` };
}

/** Rounded down, so that 1 % never is more than that. The last share is all. */
const upToOf = ({ percent, atLeast }: { percent: number; atLeast: number }, devices: number) =>
  percent === 100
    ? devices
    : Math.min(devices, Math.max(1, atLeast, Math.floor((devices * percent) / 100)));
