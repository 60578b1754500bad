import { join } from 'node:path';
import { mkdirSync } from 'node:fs';
import type { Finding, FuzzFamily, FuzzShare } from '../protocol';
import { Random } from '../random';
import { documentFuzzer } from './documents';
import { manifestFuzzer } from './manifests';
import { repositoryFuzzer } from './repositories';
import { stateFileFuzzer } from './state-files';

/** Feeds the agent's code one text that is not as it should be; returns what that brought about that it must not. */
export type Fuzzer = (random: Random) => Promise<Finding | null> | Finding | null;

export interface FuzzEvents {
  found: (finding: Finding) => void;
  fuzzed: (count: number) => void;
  /** After a tenth, from which on memory must not grow. */
  warm: () => Promise<void>;
}

const FUZZERS: Record<FuzzFamily, (dir: string) => Fuzzer | Promise<Fuzzer>> = {
  documents: documentFuzzer,
  manifests: manifestFuzzer,
  repositories: repositoryFuzzer,
  stateFiles: stateFileFuzzer,
};

const TELL_EVERY = 1_000;

export async function runFuzz(
  { seed, dir, shares }: { seed: number; dir: string; shares: FuzzShare[] },
  { found, fuzzed, warm }: FuzzEvents,
): Promise<void> {
  const random = new Random(seed);
  const fuzzers = await Promise.all(
    shares.map(async ({ family, count }) => {
      const folder = join(dir, family);
      mkdirSync(folder, { recursive: true });
      return { family, count, fuzzer: await FUZZERS[family](folder) };
    }),
  );
  // In tenths, so that everything has been at work once memory is measured.
  for (let tenth = 1; tenth <= 10; tenth += 1) {
    for (const { family, count, fuzzer } of fuzzers) {
      const share = Math.floor((count * tenth) / 10) - Math.floor((count * (tenth - 1)) / 10);
      await runShare(family, share, fuzzer, random, { found, fuzzed });
    }
    if (tenth === 1) await warm();
  }
}

async function runShare(
  family: FuzzFamily,
  count: number,
  fuzzer: Fuzzer,
  random: Random,
  { found, fuzzed }: Pick<FuzzEvents, 'found' | 'fuzzed'>,
): Promise<void> {
  for (let done = 0; done < count; done += 1) {
    const finding = await attempt(family, fuzzer, random);
    if (finding !== null) found(finding);
    if ((done + 1) % TELL_EVERY === 0) fuzzed(TELL_EVERY);
  }
  fuzzed(count % TELL_EVERY);
}

async function attempt(
  family: FuzzFamily,
  fuzzer: Fuzzer,
  random: Random,
): Promise<Finding | null> {
  try {
    const finding = fuzzer(random);
    return finding instanceof Promise ? await finding : finding;
  } catch (error) {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { harm: 'crash', what: `${family}: ${what.slice(0, 600)}` };
  }
}
