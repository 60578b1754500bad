import { join } from 'node:path';
import type { IndexedDevice, RolloutDeps, RolloutStore } from '../../activities/rollout/deps';
import { NAMES } from '../../domain/names';
import type { Signed } from '../../domain/rollout/routes';
import type { RolloutSettings } from '../../domain/rollout/types';
import { resolveStagedOta } from '../../domain/rollout/input.schema';
import { loadRunbook } from '../../runbooks/load';

/** Objects in memory, with the conditional write of S3. */
export function memoryStore(): RolloutStore & { objects: Map<string, string> } {
  const objects = new Map<string, string>();
  return {
    objects,
    create: (key, text) => {
      const free = !objects.has(key);
      if (free) objects.set(key, text);
      return Promise.resolve(free);
    },
    put: (key, text) => Promise.resolve(void objects.set(key, text)),
    get: (key) => Promise.resolve(objects.get(key) ?? null),
    list: (prefix) =>
      Promise.resolve([...objects.keys()].filter((key) => key.startsWith(prefix)).sort()),
  };
}

const PAGE = 100;

/** What planning a rollout asks of the world, with a fleet that is made as it is read. */
export function planningDeps(
  devices: () => Iterable<IndexedDevice>,
  releases: Signed[],
  more: { held?: string[]; fleetSize?: number; store?: RolloutStore } = {},
): RolloutDeps {
  const { held = [], fleetSize = 1_000, store = memoryStore() } = more;
  const some: Partial<{ [K in keyof RolloutDeps]: unknown }> = {
    index: { search: () => pagesOf(devices()), count: () => Promise.resolve(0) },
    store,
    releases: { list: () => Promise.resolve(releases) },
    guard: {
      status: () => Promise.resolve({ fleetSize }),
      heldBy: (things: string[]) =>
        Promise.resolve(
          things.filter((thing) => held.includes(thing)).map((thing) => ({ thing, owner: 'x' })),
        ),
    },
    quotas: () =>
      Promise.resolve({
        ...{ createJob: 5, describeJob: 5, addThingToThingGroup: 50, searchIndex: 10 },
        source: 'documented',
      }),
    now: () => NOW,
  };
  return some as RolloutDeps;
}

const NOW = Date.parse('2026-11-25T03:00:00Z');

async function* pagesOf(devices: Iterable<IndexedDevice>): AsyncGenerator<IndexedDevice[]> {
  let page: IndexedDevice[] = [];
  for (const device of devices) {
    page.push(device);
    if (page.length < PAGE) continue;
    yield page;
    page = [];
    await Promise.resolve();
  }
  if (page.length > 0) yield page;
}

export function indexed(
  thing: string,
  more: { hardware?: string; site?: string; version?: string; contained?: boolean } = {},
): IndexedDevice {
  const { hardware = 'rev-a', site = 'oslo', version = '1.0.0', contained = false } = more;
  return {
    thing,
    attributes: { hardware, site },
    groups: contained ? [NAMES.quarantineGroup] : [`site-${site}`],
    reported: { firmware: { version }, health: 'healthy', updates: [] },
    connected: true,
    connectivityAt: NOW,
  };
}

const RUNBOOKS = join(__dirname, '..', '..', 'runbooks');

export function settingsFor(release: string, more: object = {}): RolloutSettings {
  const input = { release, selector: { sites: ['oslo', 'turin'] }, reason: 'a test', ...more };
  const found = resolveStagedOta(input, `ota/${release}`, loadRunbook(RUNBOOKS, 'stagedOta'));
  if (!found.ok) throw new Error(JSON.stringify(found.issues));
  return found.settings;
}
