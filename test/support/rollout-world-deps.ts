import { guardStopped } from '../../activities/guard/failures';
import type { IndexedDevice, RolloutDeps } from '../../activities/rollout/deps';
import type { World } from './rollout-world';

/** Whatever a call had done when its worker was killed, its answer is lost. */
export class Killed extends Error {}

/** The world as activities reach it; each call is counted, and may be the last. */
export function depsOf(world: World): RolloutDeps {
  const some: Partial<{ [K in keyof RolloutDeps]: unknown }> = {
    store: counted(world, world.store),
    jobs: counted(world, jobsOf(world)),
    groups: counted(world, groupsOf(world)),
    index: counted(world, indexOf(world)),
    shadows: counted(world, {
      reported: (thing: string) => Promise.resolve(world.reported(thing)),
    }),
    alarms: counted(world, { raised: () => Promise.resolve([...world.alarms]) }),
    guard: counted(world, guardOf(world)),
    quotas: () =>
      Promise.resolve({
        ...{ createJob: 1e6, describeJob: 1e6, addThingToThingGroup: 1e6, searchIndex: 1e6 },
        source: 'live',
      }),
    place: { partition: 'aws', region: 'eu-west-1', accountId: '000000000000' },
    now: () => world.now,
  };
  return some as RolloutDeps;
}

type Method = (...args: unknown[]) => unknown;

function counted(world: World, target: object): object {
  return Object.fromEntries(
    Object.entries(target)
      .filter((entry): entry is [string, Method] => typeof entry[1] === 'function')
      .map(([name, method]) => [name, lethal(world, method)]),
  );
}

function lethal(world: World, method: Method): Method {
  return (...args) => {
    world.calls += 1;
    const when = world.die(world.calls);
    const killed = () => Promise.reject(new Killed());
    if (when === 'before') return isPages(method) ? noPages() : killed();
    const answer = method(...args);
    if (when === 'after') return isPages(method) ? noPages() : killed();
    return answer;
  };
}

const isPages = (method: Method): boolean => method.constructor.name === 'AsyncGeneratorFunction';
const noPages = (): AsyncIterable<never> => ({
  [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Killed()) }),
});

/** What throws rejects, as a call does. */
const later = (act: () => void): Promise<void> => Promise.resolve().then(act);

const jobsOf = (world: World) => ({
  create: (job: { jobId: string; targets: string[]; document: { target?: string } }) =>
    later(() => world.create(job.jobId, job.targets, job.document)),
  counts: (jobId: string) => Promise.resolve(world.counts(jobId)),
  async *executions(jobId: string, status?: string) {
    const all = [...(world.jobs.get(jobId)?.executions.values() ?? [])];
    yield all
      .filter((each) => status === undefined || each.status === status)
      .map((each) => ({ ...each }));
    await Promise.resolve();
  },
  statusDetails: (_: string, thing: string) =>
    Promise.resolve({
      target: 'x',
      step: world.device(thing).behaviour === 'network' ? 'fetching' : 'starting',
      reason: 'it did not work',
    }),
  cancel: (jobId: string) => {
    const job = world.jobs.get(jobId);
    if (job?.status === 'IN_PROGRESS') job.status = 'CANCELED';
    for (const thing of job?.things ?? []) world.cancelExecution(jobId, thing);
    return Promise.resolve();
  },
  cancelExecution: (jobId: string, thing: string) =>
    later(() => world.cancelExecution(jobId, thing)),
});

const groupsOf = (world: World) => ({
  create: (group: string) => {
    if (!world.groups.has(group)) world.groups.set(group, new Set());
    return Promise.resolve(`arn:aws:iot:eu-west-1:000000000000:thinggroup/${group}`);
  },
  add: (thing: string, group: string) => Promise.resolve(void world.groups.get(group)?.add(thing)),
  remove: (group: string) => Promise.resolve(void world.groups.delete(group)),
});

const indexOf = (world: World) => ({
  async *search(query: string) {
    const found = matching(world, query);
    if (found.length > 0) yield found;
    await Promise.resolve();
  },
  count: (query: string) => Promise.resolve(matching(world, query).length),
  buckets: (query: string) => Promise.resolve({ healthy: matching(world, query).length }),
});

/** As much of the query language as rollouts use. */
function matching(world: World, query: string): IndexedDevice[] {
  const names = /^thingName:\((.*)\)$/.exec(query)?.[1]?.split(' OR ');
  const terms = query.split(' AND ');
  return [...world.devices.values()]
    .map((device) => world.indexed(device))
    .filter((device) =>
      names === undefined
        ? terms.every((term) => matches(device, term))
        : names.includes(`"${device.thing}"`),
    );
}

function matches({ reported }: IndexedDevice, term: string): boolean {
  const [, path = '', value = ''] = /^shadow\.reported\.([\w.]+):"?(.*?)"?$/.exec(term) ?? [];
  const found = path
    .split('.')
    .reduce<unknown>((at, name) => (at as Record<string, unknown> | null)?.[name], reported);
  return String(found) === value;
}

const guardOf = (world: World) => ({
  status: () => Promise.resolve({ fleetSize: 1_000 }),
  approversOf: () => Promise.resolve([]),
  leaseForWork: ({ owner, things }: { owner: string; things: string[] }) => {
    const busy = things.filter((thing) => world.held.has(thing));
    return Promise.resolve({
      lease: { owner, fence: 1 },
      leased: things.filter((thing) => !world.held.has(thing)),
      busy: busy.map((thing) => ({ thing, owner: world.held.get(thing) })),
    });
  },
  keepWork: ({ things }: { things: string[] }) =>
    world.stopped
      ? Promise.reject(guardStopped({ state: 'stop', reason: 'a drill', by: 'ann', at: world.now }))
      : Promise.resolve(things.filter((thing) => !world.held.has(thing))),
  heldBy: (things: string[]) =>
    Promise.resolve(
      things.flatMap((thing) => {
        const owner = world.held.get(thing);
        return owner === undefined ? [] : [{ thing, owner }];
      }),
    ),
  endWork: () => Promise.resolve(),
});
