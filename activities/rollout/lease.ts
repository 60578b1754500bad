import { ApplicationFailure } from '@temporalio/activity';
import type { WorkLease } from '../../domain/guard/types';
import { GUARD_FAILURES } from '../guard/failures';
import type { RolloutDeps } from './deps';
import { rolloutPrefix } from './job-record';
import { readJson } from './objects';
import { writeSkipped, type Wave } from './wave';

/** Longer than workers are away; a rollout that was terminated keeps its devices from others for as long. */
export const LEASE_LIFE_MS = 3_600_000;

const leaseKey = (rolloutId: string): string => `${rolloutPrefix(rolloutId)}lease.json`;

/** So that closing can give it back. */
export const writeLease = (deps: RolloutDeps, rolloutId: string, lease: WorkLease): Promise<void> =>
  deps.store.put(leaseKey(rolloutId), JSON.stringify(lease));

export const readLease = (deps: RolloutDeps, rolloutId: string): Promise<WorkLease | null> =>
  readJson<WorkLease | null>(deps.store, leaseKey(rolloutId), null);

/**
 * Which of the devices are still the rollout's; the others are left out of the wave from now on. A rollback gives back
 * and asks no permission, but leaves alone what another runbook holds.
 */
export async function keepLeased(wave: Wave, things: string[]): Promise<string[]> {
  const { deps, at } = wave;
  const kept =
    at.kind === 'rollback' ? await freeOf(wave, things) : new Set(await keep(wave, things));
  const lost = things.filter((thing) => !kept.has(thing));
  if (lost.length > 0) {
    const held = await deps.guard.heldBy(lost, wave.plan.workflowId);
    const owners = new Map(held.map(({ thing, owner }) => [thing, owner]));
    for (const thing of lost) wave.skipped.set(thing, owners.get(thing) ?? 'another runbook');
    await writeSkipped(deps, at, wave.skipped);
  }
  return things.filter((thing) => kept.has(thing));
}

async function freeOf({ deps, plan }: Wave, things: string[]): Promise<Set<string>> {
  const held = await deps.guard.heldBy(things, plan.workflowId);
  const taken = new Set(held.map(({ thing }) => thing));
  return new Set(things.filter((thing) => !taken.has(thing)));
}

/** A lease that lapsed while no worker was there is begun anew, for all of the wave that is still free. */
async function keep(wave: Wave, things: string[]): Promise<string[]> {
  const { deps, at, plan, devices, skipped } = wave;
  const owner = plan.workflowId;
  const lease = (await readLease(deps, at.ref.rolloutId)) ?? { owner, fence: 0 };
  try {
    return await deps.guard.keepWork({ lease, things, lifeMs: LEASE_LIFE_MS });
  } catch (err) {
    if (!isFailure(err, GUARD_FAILURES.leaseLost)) throw err;
    const ours = devices.map(({ thing }) => thing).filter((thing) => !skipped.has(thing));
    const anew = await deps.guard.leaseForWork({ owner, things: ours, lifeMs: LEASE_LIFE_MS });
    await writeLease(deps, at.ref.rolloutId, anew.lease);
    return anew.leased;
  }
}

/** Between dispatches. Neither the switch nor a lease that lapsed stops a watch: the next dispatch meets them. */
export async function extendLease({ deps, at, plan }: Pick<Wave, 'deps' | 'at' | 'plan'>) {
  const lease = await readLease(deps, at.ref.rolloutId);
  if (lease === null || lease.owner !== plan.workflowId) return;
  const keeping = deps.guard.keepWork({ lease, things: [], lifeMs: LEASE_LIFE_MS });
  await keeping.catch((err: unknown) => {
    const { stopped, leaseLost, unreachable } = GUARD_FAILURES;
    if (![stopped, leaseLost, unreachable].some((type) => isFailure(err, type))) throw err;
  });
}

const isFailure = (err: unknown, type: string): boolean =>
  err instanceof ApplicationFailure && err.type === type;
