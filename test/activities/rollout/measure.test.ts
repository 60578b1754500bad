import { describe, expect, it } from '@jest/globals';
import { createAlarmScope } from '../../../activities/rollout/alarm-scope';
import type { RaisedAlarm } from '../../../activities/rollout/deps';
import { measure, type MeasureDeps } from '../../../activities/rollout/measure';
import type {
  GateRule,
  Hop,
  MetricQuery,
  Route,
  RolloutPlan,
  WaveCounts,
} from '../../../domain/rollout/types';

const BEGAN = Date.parse('2026-11-25T03:00:00.000Z');
const NOW = BEGAN + 3_600_000;

const HOP: Hop = { target: 'pump/1.4.0.tar', version: '1.4.0', release: 14, revert: null };
const COUNTS: WaveCounts = {
  size: 2,
  waiting: 0,
  queued: 0,
  inProgress: 0,
  succeeded: 0,
  confirmed: 2,
  failed: 0,
  silent: 0,
  unreached: 0,
  skipped: 0,
};
const COMPARING: GateRule = {
  name: 'cohort',
  when: 'cohort.significant',
  then: 'abort',
  reason: 'worse',
};
const ERRORS: MetricQuery = {
  name: 'errors',
  namespace: 'Pumps',
  metric: 'Errors',
  dimensions: {},
  statistic: 'Sum',
  periodSeconds: 60,
  withinMs: 600_000,
};

/** One device of the fleet as its shadow has it. */
interface Device {
  hardware: string;
  version: string;
  health: string;
  release?: number;
  outcome?: string;
  connected?: boolean;
}
const many = (count: number, device: Device): Device[] =>
  Array.from({ length: count }, () => device);
const OLD = { hardware: 'p1', version: '1.3.0', health: 'healthy' };
const NEW = {
  hardware: 'p1',
  version: '1.4.0',
  health: 'healthy',
  release: 14,
  outcome: 'SUCCEEDED',
};

const FIELDS: Record<string, keyof Device> = {
  'shadow.reported.firmware.version': 'version',
  'shadow.reported.hardware.version': 'hardware',
  'shadow.reported.health': 'health',
  'shadow.reported.update.release': 'release',
  'shadow.reported.update.outcome': 'outcome',
  'connectivity.connected': 'connected',
};

/** As much of the index as the queries of a rollout need. */
function matches(query: string, device: Device): boolean {
  return query.split(' AND ').every((term) => {
    const [, not, name = '', wanted = ''] = /^(NOT )?([\w.]+):(.+)$/.exec(term) ?? [];
    const field = FIELDS[name];
    if (field === undefined) throw new Error(`the index has no ${name}`);
    const values = wanted.replace(/^\(|\)$/g, '').split(' OR ');
    const unquoted = values.map((value) => value.replace(/^"|"$/g, ''));
    return unquoted.includes(String(device[field])) !== (not !== undefined);
  });
}

interface World {
  fleet?: Device[];
  raised?: RaisedAlarm[];
  chunks?: Record<string, string>;
  broken?: (keyof MeasureDeps)[];
}

function bed({ fleet = [], raised = [], chunks = {}, broken = [] }: World) {
  const calls: string[] = [];
  const called = (source: keyof MeasureDeps, what: string) => {
    calls.push(what);
    if (broken.includes(source)) throw new Error(`${source} is down`);
  };
  const deps: MeasureDeps = {
    now: () => NOW,
    index: {
      search: () => {
        throw new Error('a measurement never goes through devices');
      },
      async count(query) {
        await Promise.resolve();
        called('index', query);
        return fleet.filter((device) => matches(query, device)).length;
      },
      async buckets(query, field) {
        await Promise.resolve();
        called('index', query);
        const found = fleet.filter((device) => matches(query, device));
        const buckets: Record<string, number> = {};
        for (const device of found) {
          const value = String(device[FIELDS[field] ?? 'health']);
          buckets[value] = (buckets[value] ?? 0) + 1;
        }
        return buckets;
      },
    },
    alarms: {
      async raised(prefix) {
        await Promise.resolve();
        called('alarms', prefix);
        return raised;
      },
    },
    metrics: {
      async latest(queries) {
        await Promise.resolve();
        called('metrics', 'metrics');
        return Object.fromEntries(queries.map(({ name }) => [name, 7]));
      },
    },
    store: {
      create: () => Promise.reject(new Error('a measurement writes nothing')),
      put: () => Promise.reject(new Error('a measurement writes nothing')),
      list: () => Promise.resolve([]),
      async get(key) {
        await Promise.resolve();
        called('store', key);
        return chunks[key] ?? null;
      },
    },
  };
  return { deps, calls };
}

const ROUTES: Route[] = [{ hardware: 'p1', from: '1.3.0', hops: [HOP] }];

function planOf(some: {
  routes?: Route[];
  gate?: GateRule[];
  metrics?: MetricQuery[];
  baseline?: Record<string, number>;
}): RolloutPlan {
  const { routes = ROUTES, gate = [COMPARING], metrics = [], baseline = {} } = some;
  const waves = [1, 2, 3].map((number) => ({
    number,
    size: 2,
    chunks: [{ key: `wave-${number}`, sha256: '', count: 2 }],
    strata: { 'p1/north/1.3.0': 2 },
  }));
  const settings = { gate, metrics } as unknown as RolloutPlan['settings'];
  return {
    version: 1,
    kind: 'rollout',
    rolloutId: '0123456789ab',
    workflowId: 'ota/pump/1.4.0.tar',
    release: { target: HOP.target, version: HOP.version, release: HOP.release, raisesEpoch: false },
    settings,
    routes,
    waves,
    excluded: {} as RolloutPlan['excluded'],
    baseline,
    plannedAt: new Date(BEGAN).toISOString(),
  };
}

const look = (world: World, plan = planOf({}), wave = 2) => {
  const { deps, calls } = bed(world);
  return measure(deps, plan, wave, COUNTS, true).then((measurement) => ({ measurement, calls }));
};

describe('a measurement', () => {
  it('is of one moment, and of the wave as it was counted', async () => {
    const { measurement } = await look({});
    expect(measurement).toMatchObject({
      at: '2026-11-25T04:00:00.000Z',
      wave: 2,
      waves: 3,
      complete: true,
      counts: COUNTS,
      missing: {},
    });
  });

  it('counts the devices that the update has brought to the release, by the health they report', async () => {
    const fleet = [
      ...many(5, NEW),
      ...many(2, { ...NEW, health: 'unhealthy' }),
      { ...NEW, health: 'degraded' },
      ...many(3, { ...NEW, outcome: 'FAILED', version: '1.3.0' }),
      { ...NEW, release: 13 },
      { ...NEW, hardware: 'p9' },
    ];
    const { measurement } = await look({ fleet });
    expect(measurement.updated).toMatchObject({
      devices: 8,
      healthy: 5,
      degraded: 1,
      unhealthy: 2,
    });
  });

  it('leaves out as many healthy ones as ran it before', async () => {
    const fleet = [...many(50, NEW), ...many(2, { ...NEW, health: 'unhealthy' })];
    const baseline = { [HOP.target]: 48, 'pump/1.0.0.tar': 100 };
    const { measurement } = await look({ fleet }, planOf({ baseline }));
    expect(measurement.updated).toMatchObject({
      devices: 4,
      healthy: 2,
      degraded: 0,
      unhealthy: 2,
    });
  });

  it('compares with devices on the versions of the plan that have not tried it', async () => {
    const fleet = [
      ...many(10, NEW),
      ...many(30, OLD),
      ...many(3, { ...OLD, health: 'unhealthy' }),
      ...many(5, { ...OLD, release: 14, outcome: 'FAILED' }),
      ...many(7, { ...OLD, version: '0.9.0' }),
    ];
    const { measurement } = await look({ fleet });
    expect(measurement.control).toMatchObject({
      devices: 33,
      healthy: 30,
      degraded: 0,
      unhealthy: 3,
    });
  });

  it('weights them by hardware as the updated ones are', async () => {
    const fleet = [
      ...many(30, NEW),
      ...many(10, { ...NEW, hardware: 'p2' }),
      ...many(300, OLD),
      ...many(300, { ...OLD, hardware: 'p2' }),
      ...many(100, { ...OLD, hardware: 'p2', health: 'unhealthy' }),
    ];
    const routes = [...ROUTES, { hardware: 'p2', from: '1.3.0', hops: [HOP] }];
    const { measurement, calls } = await look({ fleet }, planOf({ routes }));
    expect(measurement.updated?.devices).toBe(40);
    expect(measurement.control).toMatchObject({
      devices: 400,
      healthy: 375,
      degraded: 0,
      unhealthy: 25,
    });
    expect(calls).toHaveLength(5);
  });

  it('counts who is offline where a rule goes by it', async () => {
    const fleet = [
      ...many(6, { ...NEW, connected: true }),
      ...many(4, { ...NEW, connected: false }),
      ...many(18, { ...OLD, connected: true }),
      ...many(2, { ...OLD, connected: false }),
    ];
    const plain = await look({ fleet });
    expect(plain.measurement.updated?.offline).toBe(0);
    const gate = [{ ...COMPARING, when: 'cohort.offlineSignificant && cohort.offlineBy >= 10' }];
    const { measurement, calls } = await look({ fleet }, planOf({ gate }));
    expect(measurement.updated).toMatchObject({ devices: 10, offline: 4 });
    expect(measurement.control).toMatchObject({ devices: 20, offline: 2 });
    expect(calls).toHaveLength(5);
  });

  it('makes as many calls for a big fleet as for a small one', async () => {
    const small = await look({ fleet: [...many(10, NEW), OLD] });
    const big = await look({ fleet: [...many(10_000, NEW), ...many(10_000, OLD)] });
    expect(big.calls).toEqual(small.calls);
    expect(big.calls).toHaveLength(3);
  });

  it('asks for nothing that no rule goes by', async () => {
    const fleet = [...many(10, NEW), ...many(10, OLD)];
    const { measurement, calls } = await look({ fleet }, planOf({ gate: [] }));
    expect(measurement.control?.devices).toBe(0);
    expect(calls).toHaveLength(2);
  });

  it('asks for no more versions than a query can hold, those of most devices first', async () => {
    const versions = Array.from({ length: 30 }, (_each, index) => `1.0.${index}`);
    const routes = versions.map((from) => ({ hardware: 'p1', from, hops: [HOP] }));
    const plan = planOf({ routes });
    plan.waves[0] = {
      number: 1,
      size: 9,
      chunks: [],
      strata: { 'p1/a/b/1.0.29': 9, 'p2/x/1.0.2': 50 },
    };
    const { calls } = await look({ fleet: many(10, NEW) }, plan);
    const control = calls.find((query) => query.includes(' OR ')) ?? '';
    expect(control).toMatch(/version:\("1\.0\.29" OR "1\.0\.0" OR/);
    expect(control.match(/:|OR/g)?.length).toBeLessThanOrEqual(12);
  });

  it('reads the metrics of the settings', async () => {
    const { measurement } = await look({}, planOf({ metrics: [ERRORS] }));
    expect(measurement.metrics).toEqual({ errors: 7 });
  });
});

describe('alarms', () => {
  const chunks = Object.fromEntries(
    [1, 2, 3].map((number) => [
      `wave-${number}`,
      JSON.stringify(
        ['a', 'b'].map((name) => ({ thing: `${name}${number}`, site: 'n', route: 0 })),
      ),
    ]),
  );
  const alarm = (thing: string | null, since = BEGAN): RaisedAlarm => ({
    name: `iot-runbooks/x/${thing ?? 'all'}`,
    thing,
    since,
  });

  it('count where they were raised since the rollout began, on devices of its waves so far or on none', async () => {
    const raised = [
      alarm('a1'),
      alarm('b2', NOW),
      alarm('a2', BEGAN - 1),
      alarm('a3'),
      alarm('stranger'),
      alarm(null),
    ];
    const { measurement } = await look({ raised, chunks });
    expect(measurement.alarms).toEqual([
      'iot-runbooks/x/a1',
      'iot-runbooks/x/b2',
      'iot-runbooks/x/all',
    ]);
  });

  it('cost no look into the plan as long as none was raised', async () => {
    const { measurement, calls } = await look({ raised: [alarm('a2', BEGAN - 1)], chunks });
    expect(measurement.alarms).toEqual([]);
    expect(calls.filter((call) => call.startsWith('wave-'))).toEqual([]);
  });

  it('are looked for in the plan once, and again only in waves that have come since', async () => {
    const { deps, calls } = bed({ chunks });
    const scope = createAlarmScope(deps.store, planOf({}));
    expect([...(await scope.within(['a1', 'a3', 'x'], 2))]).toEqual(['a1']);
    expect([...(await scope.within(['a1', 'a3', 'x'], 2))]).toEqual(['a1']);
    expect(calls).toEqual(['wave-1', 'wave-2']);
    expect([...(await scope.within(['a1', 'a3', 'x'], 3))]).toEqual(['a1', 'a3']);
    expect(calls).toEqual(['wave-1', 'wave-2', 'wave-3']);
    expect([...(await scope.within(['a3'], 2))]).toEqual([]);
    expect([...(await scope.within(['b1'], 3))]).toEqual(['b1']);
  });

  it.each([
    ['is gone', {}],
    ['is no list', { 'wave-1': '{}' }],
    ['is cut short', { 'wave-1': '[{"thing":"a1"' }],
    ['names no things', { 'wave-1': '[{"site":"n"}]' }],
  ])('are no data where a part of the plan %s', async (_how, broken) => {
    const { measurement } = await look({ raised: [alarm('a1')], chunks: broken });
    expect(measurement.alarms).toBeNull();
    expect(measurement.missing?.alarms).toBeDefined();
  });
});

describe('a source that fails', () => {
  it.each([
    [
      'index',
      { updated: null, control: null, alarms: [], metrics: { errors: 7 } },
      ['control', 'updated'],
    ],
    ['alarms', { updated: expect.anything(), alarms: null, metrics: { errors: 7 } }, ['alarms']],
    ['metrics', { updated: expect.anything(), alarms: [], metrics: {} }, ['metrics']],
  ] as const)('is no data, and the others still count: %s', async (source, rest, missing) => {
    const world = { broken: [source], fleet: many(10, NEW) };
    const { measurement } = await look(world, planOf({ metrics: [ERRORS] }));
    expect(measurement).toMatchObject(rest);
    expect(Object.keys(measurement.missing ?? {}).sort()).toEqual(missing);
    expect(Object.values(measurement.missing ?? {})).toContain(`${source} is down`);
  });
});
