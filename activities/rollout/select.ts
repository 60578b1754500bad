import { queriesOf, selects, type Selectable } from '../../domain/fleet/selector';
import { NAMES } from '../../domain/names';
import { readReported, type Reported } from '../../domain/rollout/reported.schema';
import { raisesEpoch, releaseOf, routeTo, type Signed } from '../../domain/rollout/routes';
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
  notFound: { count: number; examples: string[] };
  /** A device commits to a higher security epoch by it. */
  raisesEpoch: boolean;
}

/** How devices of one hardware, version and release get there. */
interface Way {
  route: Route;
  raisesEpoch: boolean;
}

interface Selecting {
  found: number;
  due: DueDevice[];
  excluded: RolloutPlan['excluded'];
  isSelected: (device: Selectable) => boolean;
  settings: RolloutSettings;
  target: Signed;
  releases: readonly Signed[];
  now: number;
  seen: Set<string>;
  ways: Way[];
  /** Index into `ways` by kind of device; null where there is none. */
  wayIndex: Map<string, number | null>;
  texts: Map<string, string>;
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
    ...{ found: 0, due: [], settings, target, releases },
    isSelected: selects(settings.selector),
    now: deps.now(),
    excluded: nobodyExcluded(),
    ...{ seen: new Set(), ways: [], wayIndex: new Map(), texts: new Map() },
  };
  for (const query of queriesOf(settings.selector, NAMES.thingType))
    for await (const page of deps.index.search(query))
      for (const device of page) consider(selecting, device);
  await leaveOutHeld(deps, selecting, owner);
  const { found, excluded, seen } = selecting;
  const missing = (settings.selector.things ?? []).filter((thing) => !seen.has(thing));
  return {
    ...{ found, excluded, ...byRoute(selecting) },
    notFound: { count: missing.length, examples: missing.slice(0, EXAMPLES) },
  };
}

/**
 * Equal ways are one route, and routes stand in an order that does not go by the index's: a plan's hash covers them. Those of
 * nobody are left out.
 */
function byRoute({ due, ways }: Selecting): Pick<Selection, 'due' | 'routes' | 'raisesEpoch'> {
  const keys = ways.map(({ route }) => JSON.stringify(route));
  const devices = new Map<string, number>();
  const used = new Set<number>();
  for (const { route } of due) {
    const key = keys[route] ?? '';
    devices.set(key, (devices.get(key) ?? 0) + 1);
    used.add(route);
  }
  const order = [...devices.keys()].sort();
  const places = new Map(order.map((key, at) => [key, at]));
  for (const device of due) device.route = places.get(keys[device.route] ?? '') ?? 0;
  return {
    due,
    routes: order.flatMap((key) => {
      const way = ways[keys.indexOf(key)];
      return way === undefined ? [] : [{ ...way.route, devices: devices.get(key) ?? 0 }];
    }),
    raisesEpoch: ways.some((way, at) => used.has(at) && way.raisesEpoch),
  };
}

function consider(selecting: Selecting, device: IndexedDevice): void {
  const { thing, attributes, groups } = device;
  if (selecting.seen.has(thing)) return;
  const reported = readReported(device.reported);
  if (!selecting.isSelected({ thing, attributes, groups, version: reported?.version ?? null }))
    return;
  selecting.seen.add(thing);
  selecting.found += 1;
  const hardware = attributes['hardware'] ?? reported?.hardware ?? UNKNOWN;
  const reason = reasonToLeaveOut(selecting, device, reported, hardware);
  if (reason !== null) {
    leaveOut(selecting, reason, thing);
    return;
  }
  const version = reported?.version ?? UNKNOWN;
  const route = wayOf(selecting, hardware, version, runningRelease(reported));
  if (route === null) {
    leaveOut(selecting, 'noPath', thing);
    return;
  }
  const { texts } = selecting;
  const site = shared(texts, attributes['site'] ?? UNKNOWN);
  const timezone = attributes['timezone'];
  const stratum = shared(texts, `${hardware}/${site}/${version}`);
  const where = timezone !== undefined && { timezone: shared(texts, timezone) };
  selecting.due.push({ thing, stratum, site, route, ...where });
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
  if (reported.version === target.version) return 'runsIt';
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
function wayOf(
  { ways, wayIndex, target, releases }: Selecting,
  hardware: string,
  from: string,
  running: number | null,
): number | null {
  const key = `${hardware}\0${from}\0${running ?? ''}`;
  const known = wayIndex.get(key);
  if (known !== undefined) return known;
  const release = running ?? releaseOf(from, hardware, releases);
  const route = routeTo(target, { hardware, from, release }, releases);
  const raises = raisesEpoch(target, release, releases);
  const index = route === null ? null : ways.push({ route, raisesEpoch: raises }) - 1;
  wayIndex.set(key, index);
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

/** One string for all devices that have it. */
function shared(strings: Map<string, string>, text: string): string {
  const known = strings.get(text);
  if (known !== undefined) return known;
  strings.set(text, text);
  return text;
}
