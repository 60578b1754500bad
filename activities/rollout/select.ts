import { queriesOf } from '../../domain/fleet/selector';
import { NAMES } from '../../domain/names';
import { readReported, type Reported } from '../../domain/rollout/reported.schema';
import { releaseOf, routeTo, type Signed } from '../../domain/rollout/routes';
import type { Stratified } from '../../domain/rollout/strata';
import {
  EXCLUSION_REASONS,
  type ExclusionReason,
  type RolloutPlan,
  type RolloutSettings,
  type Route,
} from '../../domain/rollout/types';
import type { IndexedDevice, RolloutDeps } from './deps';

/** A device that is due, as small as it can be: a fleet has a million of them. */
export interface DueDevice extends Stratified {
  site: string;
  route: number;
  timezone?: string;
}

export interface Selection {
  /** Found by the selector, left out ones included. */
  found: number;
  due: DueDevice[];
  routes: Route[];
  excluded: RolloutPlan['excluded'];
}

interface Selecting extends Selection {
  settings: RolloutSettings;
  target: Signed;
  releases: readonly Signed[];
  now: number;
  seen: Set<string>;
  routeIndex: Map<string, number | null>;
  strata: Map<string, string>;
}

const EXAMPLES = 5;
/** Asked of the guard at once. */
const HELD_AT_ONCE = 1_000;
const UNKNOWN = 'unknown';

/** The devices of the selector, each once, with the way to the release; who can't or must not be updated is left out. */
export async function selectDevices(
  deps: Pick<RolloutDeps, 'index' | 'guard' | 'now'>,
  settings: RolloutSettings,
  { target, releases, owner }: { target: Signed; releases: readonly Signed[]; owner: string },
): Promise<Selection> {
  const selecting: Selecting = {
    ...{ found: 0, due: [], routes: [], settings, target, releases },
    now: deps.now(),
    excluded: nobodyExcluded(),
    ...{ seen: new Set(), routeIndex: new Map(), strata: new Map() },
  };
  for (const query of queriesOf(settings.selector, NAMES.thingType))
    for await (const page of deps.index.search(query))
      for (const device of page) consider(selecting, device);
  await leaveOutHeld(deps, selecting, owner);
  const { found, due, routes, excluded } = selecting;
  return { found, due, routes, excluded };
}

function consider(selecting: Selecting, device: IndexedDevice): void {
  const { thing, attributes } = device;
  if (selecting.seen.has(thing)) return;
  selecting.seen.add(thing);
  selecting.found += 1;
  const reported = readReported(device.reported);
  const hardware = attributes['hardware'] ?? reported?.hardware ?? UNKNOWN;
  const reason = reasonToLeaveOut(selecting, device, reported, hardware);
  if (reason !== null) {
    leaveOut(selecting, reason, thing);
    return;
  }
  const version = reported?.version ?? UNKNOWN;
  const route = routeOf(selecting, hardware, version, runningRelease(reported));
  if (route === null) {
    leaveOut(selecting, 'noPath', thing);
    return;
  }
  const site = attributes['site'] ?? UNKNOWN;
  const timezone = attributes['timezone'];
  const stratum = shared(selecting.strata, `${hardware}/${site}/${version}`);
  selecting.due.push({ thing, stratum, site, route, ...(timezone !== undefined && { timezone }) });
}

function reasonToLeaveOut(
  { settings, target, now }: Selecting,
  { groups }: IndexedDevice,
  reported: Reported | null,
  hardware: string,
): ExclusionReason | null {
  if (groups.includes(NAMES.quarantineGroup)) return 'quarantined';
  if (reported?.version == null) return 'unknownVersion';
  if (!target.hardware.includes(hardware)) return 'wrongHardware';
  if (reported.version === target.version && runningRelease(reported) !== null) return 'runsIt';
  if (reported.version === target.version && target.reverts === undefined) return 'runsIt';
  const failed = reported.updates.filter(
    ({ outcome, at }) => outcome === 'FAILED' && now - Date.parse(at) < settings.penaltyForMs,
  );
  return failed.length >= settings.penaltyFailures ? 'penalty' : null;
}

/** By its own word; null for a factory image, or one whose last update says nothing of it. */
function runningRelease(reported: Reported | null): number | null {
  const { version = null, update = null } = reported ?? {};
  const isOf = update?.outcome === 'SUCCEEDED' && update.version === version;
  return isOf ? update.release : null;
}

/** Null where there is no way. Worked out once for all devices of a kind. */
function routeOf(
  { routes, routeIndex, target, releases }: Selecting,
  hardware: string,
  from: string,
  running: number | null,
): number | null {
  const key = `${hardware}\0${from}\0${running ?? ''}`;
  const known = routeIndex.get(key);
  if (known !== undefined) return known;
  const release = running ?? releaseOf(from, hardware, releases);
  const route = routeTo(target, { hardware, from, release }, releases);
  const index = route === null ? null : routes.push(route) - 1;
  routeIndex.set(key, index);
  return index;
}

async function leaveOutHeld(
  { guard }: Pick<RolloutDeps, 'guard'>,
  selecting: Selecting,
  owner: string,
): Promise<void> {
  const held = new Set<string>();
  const { due } = selecting;
  for (let from = 0; from < due.length; from += HELD_AT_ONCE) {
    const things = due.slice(from, from + HELD_AT_ONCE).map(({ thing }) => thing);
    for (const { thing } of await guard.heldBy(things, owner)) held.add(thing);
  }
  if (held.size === 0) return;
  for (const thing of held) leaveOut(selecting, 'held', thing);
  selecting.due = due.filter(({ thing }) => !held.has(thing));
}

function leaveOut({ excluded }: Selecting, reason: ExclusionReason, thing: string): void {
  const entry = excluded[reason];
  entry.count += 1;
  if (entry.examples.length < EXAMPLES) entry.examples.push(thing);
}

const nobodyExcluded = (): RolloutPlan['excluded'] =>
  Object.fromEntries(
    EXCLUSION_REASONS.map((reason) => [reason, { count: 0, examples: [] }]),
  ) as unknown as RolloutPlan['excluded'];

/** One string for all devices of a stratum. */
function shared(strings: Map<string, string>, text: string): string {
  const known = strings.get(text);
  if (known !== undefined) return known;
  strings.set(text, text);
  return text;
}
