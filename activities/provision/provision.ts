import { planResource } from '../../domain/provision/diff';
import type { ResourcePlan } from '../../domain/provision/types';
import type { Resource } from './resource';

/** What a run would do. Changes nothing. */
export async function planProvisioning(resources: readonly Resource[]): Promise<ResourcePlan[]> {
  const plans: ResourcePlan[] = [];
  for (const resource of resources) plans.push(await planOne(resource));
  return plans;
}

const planOne = async (resource: Resource): Promise<ResourcePlan> =>
  planResource(resource, await resource.desired(), await resource.read());

/** An existing resource can't be brought to the desired state without a person. Not retryable. */
export class ProvisionConflictError extends Error {
  override readonly name = 'ProvisionConflictError';
  constructor(readonly plans: readonly ResourcePlan[]) {
    const reasons = plans.flatMap(({ kind, name, differences }) =>
      differences
        .filter(({ mend }) => mend !== undefined)
        .map(
          ({ field, current, desired, mend }) =>
            `${kind} ${name}: ${field} is ${current ?? 'not set'}, wanted ${desired}: ${mend ?? ''}`,
        ),
    );
    super(reasons.join('\n'));
  }
}

/**
 * Brings every resource to the desired state, in order, writing only what differs. Safe to run again, also after
 * being killed anywhere: each resource is read right before it is written. Nothing is written when any existing
 * resource is in conflict (`ProvisionConflictError`).
 */
export async function applyProvisioning(
  resources: readonly Resource[],
  onStep: (plan: ResourcePlan) => void = () => undefined,
): Promise<ResourcePlan[]> {
  const conflicts = (await planProvisioning(resources)).filter(
    ({ action }) => action === 'conflict',
  );
  if (conflicts.length > 0) throw new ProvisionConflictError(conflicts);
  const done: ResourcePlan[] = [];
  for (const resource of resources) {
    const plan = await planOne(resource);
    if (plan.action === 'conflict') throw new ProvisionConflictError([plan]);
    if (plan.action === 'create') await resource.create();
    if (plan.action === 'update') {
      await resource.update(plan.differences.map(({ field }) => field));
    }
    onStep(plan);
    done.push(plan);
  }
  return done;
}
