import { describe, expect, it } from '@jest/globals';
import type { IndexedDevice } from '../../../activities/rollout/deps';
import { readDevices, readPlan } from '../../../activities/rollout/objects';
import { planRollout } from '../../../activities/rollout/plan';
import type { Signed } from '../../../domain/rollout/routes';
import { indexed, memoryStore, planningDeps, settingsFor } from '../../support/rollout-plan';

const NOW = Date.parse('2026-11-25T03:00:00Z');
const V1: Signed = {
  ...{ name: 'pump/1.0.0.tar', version: '1.0.0', release: 1, securityEpoch: 0 },
  hardware: ['rev-a', 'rev-b'],
};
const V2: Signed = { ...V1, name: 'pump/1.1.0.tar', version: '1.1.0', release: 2 };
const BACK: Signed = { ...V1, name: 'pump/back.tar', release: 3, reverts: 2 };
const RELEASES = [V1, V2, BACK];

const many = (count: number, name = 'd'): IndexedDevice[] =>
  Array.from({ length: count }, (_, index) =>
    indexed(`${name}-${index}`, {
      hardware: index % 3 === 0 ? 'rev-b' : 'rev-a',
      site: index % 2 === 0 ? 'oslo' : 'turin',
    }),
  );

const request = (more: object = {}, run = 'run-1') => ({
  settings: settingsFor(V2.name, more),
  workflowId: `ota/${V2.name}`,
  firstRunId: run,
});

const plan = (
  devices: IndexedDevice[],
  more: object = {},
  deps: Parameters<typeof planningDeps>[2] = {},
) =>
  planRollout(
    planningDeps(() => devices, RELEASES, deps),
    request(more),
  );

describe('a plan', () => {
  it('freezes every device once, in waves that hold each stratum', async () => {
    const store = memoryStore();
    const deps = planningDeps(() => many(200), RELEASES, { store });
    const summary = await planRollout(deps, request());
    const stored = await readPlan(store, summary.ref);
    const waves = await Promise.all(stored.waves.map((wave) => readDevices(store, wave)));
    expect(waves.map((wave) => wave.length)).toEqual([5, 15, 80, 100]);
    expect(new Set(waves.flat().map(({ thing }) => thing)).size).toBe(200);
    expect(Object.keys(stored.waves[0]?.strata ?? {})).toHaveLength(4);
    expect(stored.routes.every(({ hops }) => hops[0]?.revert?.target === BACK.name)).toBe(true);
    expect(summary).toMatchObject({ devices: 200, onlyForward: false, worstCaseAtRisk: 100 });
    expect(summary.routes.map(({ devices }) => devices).sort()).toEqual([133, 67]);
  });

  it('stays the first that was written, whatever a later attempt finds', async () => {
    const store = memoryStore();
    const first = await planRollout(
      planningDeps(() => many(20), RELEASES, { store }),
      request(),
    );
    const again = await planRollout(
      planningDeps(() => many(30), RELEASES, { store }),
      request(),
    );
    expect(again).toEqual(first);
  });

  it('has the same hash for the same fleet, and another for one device more', async () => {
    const dry = await plan(many(20), { dryRun: true });
    await expect(plan(many(20), { planHash: dry.contentHash })).resolves.toMatchObject({
      devices: 20,
    });
    await expect(plan(many(21), { planHash: dry.contentHash })).rejects.toThrow(
      /planHash: .* have changed since the dry run/,
    );
  });

  it('has the same hash in whatever order the index answers', async () => {
    const mixed = [...many(20), indexed('old', { version: '0.9.0' })];
    const { contentHash } = await plan(mixed, { dryRun: true });
    expect((await plan([...mixed].reverse(), { dryRun: true })).contentHash).toBe(contentHash);
  });

  it('takes nobody that the index finds beyond what was selected, and tells who was not found', async () => {
    const { devices, findings } = await plan([indexed('d-1'), indexed('D-1'), indexed('d-2')], {
      selector: { things: ['d-1', 'd-7'] },
    });
    expect(devices).toBe(1);
    expect(findings).toContain('1 of the named devices were not found (d-7)');
  });

  it('counts each device once where devices came to one version by an update and from the factory', async () => {
    const reverted = { version: '1.0.0', release: 1, outcome: 'SUCCEEDED' };
    const devices = [
      indexed('factory-1'),
      ...['updated-1', 'updated-2'].map((thing) => ({
        ...indexed(thing),
        reported: { firmware: { version: '1.0.0' }, update: reverted },
      })),
    ];
    const { routes } = await plan(devices);
    expect(routes.map((route) => route.devices)).toEqual([3]);
  });

  it('leaves out who can’t or must not be updated, each by its reason', async () => {
    const failed = { version: '1.1.0', outcome: 'FAILED', at: new Date(NOW - 1).toISOString() };
    const devices = [
      indexed('good'),
      indexed('runs-it', { version: '1.1.0' }),
      indexed('contained', { contained: true }),
      indexed('held'),
      indexed('other', { hardware: 'rev-z' }),
      { ...indexed('mute'), reported: null },
      {
        ...indexed('failing'),
        reported: { firmware: { version: '1.0.0' }, updates: [failed, failed, failed] },
      },
      {
        ...indexed('beyond'),
        reported: {
          firmware: { version: '1.0.0' },
          update: { version: '1.0.0', release: 3, outcome: 'SUCCEEDED' },
        },
      },
    ];
    const { excluded, devices: due, findings } = await plan(devices, {}, { held: ['held'] });
    expect(due).toBe(1);
    expect(excluded).toEqual({
      ...{ runsIt: 1, quarantined: 1, held: 1, penalty: 1 },
      ...{ wrongHardware: 1, noPath: 1, unknownVersion: 1 },
    });
    expect(findings.join('\n')).toContain('1 left out: they are held by another runbook (held)');
  });

  it('asks for approval above the caps, or where there is no way back', async () => {
    expect((await plan(many(50), {}, { fleetSize: 100 })).approversNeeded).toBe(0);
    expect((await plan(many(51), {}, { fleetSize: 100 })).approversNeeded).toBe(2);
    const stuck = await plan([indexed('old', { version: '0.9.0' })]);
    expect(stuck).toMatchObject({ approversNeeded: 2, onlyForward: true });
    expect(stuck.findings.join()).toContain('1 devices could not be brought back');
  });

  it('says before anybody approves that a raised epoch can’t be undone', async () => {
    const raised = { ...V2, securityEpoch: 1 };
    const deps = planningDeps(() => many(5), [V1, raised]);
    const { findings, onlyForward } = await planRollout(deps, request());
    expect(onlyForward).toBe(true);
    expect(findings[0]).toContain('raises the security epoch');
  });

  it('can be undone where all devices are of the epoch already', async () => {
    const [old, first, raised, back] = [
      { ...V1, name: 'pump/0.9.0.tar', version: '0.9.0' },
      { ...V1, release: 2, securityEpoch: 1 },
      { ...V2, release: 3, securityEpoch: 1 },
      { ...BACK, release: 4, reverts: 3, securityEpoch: 1 },
    ];
    const deps = planningDeps(() => many(5), [old, first, raised, back]);
    expect(await planRollout(deps, request())).toMatchObject({ onlyForward: false });
  });
});

describe('a plan that can’t be made', () => {
  it.each([
    ['an unknown release', many(5), { release: 'pump/1.1.1.tar' }, /did you mean pump\/1.1.0.tar/],
    ['nobody selected', [], {}, /selector: finds no device/],
    [
      'nobody who can take it',
      [indexed('a', { hardware: 'rev-z' })],
      {},
      /none that can take the release: 1 have other hardware/,
    ],
    ['waves that do not sum', many(6), { waves: [5, 5] }, /5 \+ 5 are 10, but 6 devices are due/],
  ])(
    'is refused with one clear error, and nothing is written: %s',
    async (_, found, more, error) => {
      const store = memoryStore();
      const settings = { ...settingsFor(V2.name), ...more };
      const making = planRollout(
        planningDeps(() => found, RELEASES, { store }),
        {
          ...request(),
          settings,
        },
      );
      await expect(making).rejects.toThrow(error);
      await expect(making).rejects.toMatchObject({ type: 'InvalidInput', nonRetryable: true });
      expect(store.objects.size).toBe(0);
    },
  );
});
