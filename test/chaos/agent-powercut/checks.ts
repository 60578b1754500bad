import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { RELEASES, releaseIn, type ReleaseName } from './releases';

/** What a power cut must never do to a device. */
export type Damage = 'bricked' | 'mixedSlot' | 'deadTufStore' | 'wrongTerminalStatus' | 'other';

export interface Finding {
  damage: Damage;
  what: string;
}

const releaseFile = z.object({ version: z.string(), sha256: z.string(), release: z.number() });
const journalFile = z.object({
  floor: z.object({ release: z.number(), securityEpoch: z.number() }),
  current: z.object({ state: z.string() }).nullable(),
});

/** The software that the device starts, and whether its slots hold what was signed and nothing else. */
export function checkSlots(disk: string, expected: ReleaseName): Finding[] {
  const slots = join(disk, 'slots');
  const findings: Finding[] = [];
  const active = readLink(join(slots, 'active'));
  const confirmed = readLink(join(slots, 'confirmed'));
  if (active === null || confirmed === null) {
    return [{ damage: 'bricked', what: `active leads to ${active}, confirmed to ${confirmed}` }];
  }
  if (active !== confirmed) findings.push(other(`${active} is active and ${confirmed} confirmed`));
  const found = releaseIn(join(slots, active, 'root'));
  if (found === null) findings.push({ damage: 'mixedSlot', what: `active slot ${active}` });
  else if (found !== expected) findings.push(other(`${found} runs, not ${expected}`));
  for (const slot of ['a', 'b']) findings.push(...checkMark(join(slots, slot)));
  const marked = existsSync(join(slots, active, 'release.json'));
  if (marked !== (found !== 'factory')) findings.push(other(`${active} has no right mark`));
  return findings;
}

/** A slot that says what it is must be just that. */
function checkMark(slot: string): Finding[] {
  const mark = join(slot, 'release.json');
  if (!existsSync(mark)) return [];
  const parsed = releaseFile.safeParse(parse(readFileSync(mark, 'utf8')));
  const holds = releaseIn(join(slot, 'root'));
  if (parsed.success && holds === parsed.data.version) return [];
  const says = parsed.success ? parsed.data.version : 'nothing that can be read';
  return [{ damage: 'mixedSlot', what: `${slot} says ${says} and holds ${holds}` }];
}

/** Over, and with a floor that never fell. */
export function checkJournal(disk: string, running: ReleaseName): Finding[] {
  const { current, floor } = readUpdateJournal(disk);
  const least = running === 'factory' ? 0 : RELEASES[running].custom.release;
  const findings: Finding[] = [];
  if (current !== null) findings.push(other(`the update is still ${current.state}`));
  if (floor.release < least) findings.push(other(`the floor is ${floor.release}, below ${least}`));
  if (floor.release > least) findings.push(other(`the floor is ${floor.release}, above ${least}`));
  return findings;
}

export function readUpdateJournal(disk: string): z.infer<typeof journalFile> {
  const path = join(disk, 'updates', 'update.json');
  if (!existsSync(path)) return { current: null, floor: { release: 0, securityEpoch: 0 } };
  return journalFile.parse(parse(readFileSync(path, 'utf8')));
}

export const other = (what: string): Finding => ({ damage: 'other', what });

function readLink(path: string): 'a' | 'b' | null {
  try {
    const slot = readlinkSync(path);
    return slot === 'a' || slot === 'b' ? slot : null;
  } catch {
    return null;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
