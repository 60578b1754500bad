import { NAMES } from '../../domain/names';
import { estimate, worstCaseAtRisk } from '../../domain/rollout/estimate';
import { closeTo, type Signed } from '../../domain/rollout/routes';
import { stratify } from '../../domain/rollout/strata';
import type {
  ExclusionReason,
  PlanSummary,
  RolloutPlan,
  RolloutRef,
  RolloutSettings,
} from '../../domain/rollout/types';
import { waveSizes } from '../../domain/rollout/waves';
import { invalidInput } from '../failure';
import { approversNeeded, isOnlyForward } from './approval';
import type { RolloutDeps } from './deps';
import { rolloutPrefix } from './job-record';
import { baselineOf, writeWaves } from './freeze';
import { readPlan, sha256 } from './objects';
import { selectDevices, type Selection } from './select';

export interface PlanRequest {
  settings: RolloutSettings;
  workflowId: string;
  firstRunId: string;
}

/**
 * Selects, stratifies and freezes the devices. Safe to retry: the first plan that was written for the rollout stays, and what a
 * later attempt answers is read from it.
 */
export async function planRollout(deps: RolloutDeps, request: PlanRequest): Promise<PlanSummary> {
  const { settings, workflowId, firstRunId } = request;
  const rolloutId = sha256(`${workflowId}\0${firstRunId}`).slice(0, 12);
  const planKey = `${rolloutPrefix(rolloutId)}plan.json`;
  const stored = await deps.store.get(planKey);
  if (stored === null) {
    const plan = await makePlan(deps, request, rolloutId);
    await deps.store.create(planKey, JSON.stringify(plan));
  }
  const text = stored ?? (await deps.store.get(planKey)) ?? '';
  const ref = { rolloutId, workflowId, planKey, planHash: sha256(text) };
  const summary = await summarise(deps, ref);
  if (settings.planHash !== null && settings.planHash !== summary.contentHash) {
    const problem = `the plan is now ${summary.contentHash}: devices, releases or settings have changed since the dry run`;
    throw invalidInput([{ field: 'planHash', problem }]);
  }
  return summary;
}

async function makePlan(
  deps: RolloutDeps,
  { settings, workflowId }: PlanRequest,
  rolloutId: string,
): Promise<RolloutPlan> {
  const releases = await deps.releases.list();
  const target = targetOf(settings.release, releases);
  const selection = await selectDevices(deps, settings, { target, releases, owner: workflowId });
  const { due, routes, excluded, notFound, raisesEpoch } = selection;
  refuseNobody(selection);
  const sizes = waveSizes(settings.waves, due.length);
  if (!sizes.ok) throw invalidInput([{ field: 'waves', problem: sizes.problem }]);
  const ordered = stratify(due, settings.release);
  const waves = await writeWaves(deps, rolloutPrefix(rolloutId), ordered, sizes.sizes);
  const { name, version, release } = target;
  return {
    ...{ version: 1, kind: 'rollout', rolloutId, workflowId, settings, routes, waves, excluded },
    notFound,
    release: { target: name, version, release, raisesEpoch },
    baseline: await baselineOf(deps, routes),
    plannedAt: new Date(deps.now()).toISOString(),
  };
}

function targetOf(name: string, releases: readonly Signed[]): Signed {
  const target = releases.find((each) => each.name === name);
  if (target !== undefined) return target;
  const near = closeTo(name, releases);
  const hint = near.length === 0 ? '' : `; did you mean ${near.join(' or ')}?`;
  const problem = `no signed release has the target ${name}${hint}`;
  throw invalidInput([{ field: 'release', problem }]);
}

function refuseNobody({ found, due, excluded }: Selection): void {
  if (due.length > 0) return;
  const why = (Object.entries(excluded) as [ExclusionReason, { count: number }][])
    .filter(([, { count }]) => count > 0)
    .map(([reason, { count }]) => `${count} ${EXCLUDED_BECAUSE[reason]}`);
  const problem =
    found === 0
      ? `finds no device of type ${NAMES.thingType}`
      : `finds ${found} devices and none that can take the release: ${why.join(', ')}`;
  throw invalidInput([{ field: 'selector', problem }]);
}

const EXCLUDED_BECAUSE: Record<ExclusionReason, string> = {
  runsIt: 'run it already',
  quarantined: 'are quarantined',
  held: 'are held by another runbook',
  penalty: 'have failed too often of late',
  wrongHardware: 'have other hardware',
  noPath: 'have no way to it from what they run',
  unknownVersion: 'never said what they run',
};

export async function summarise(deps: RolloutDeps, ref: RolloutRef): Promise<PlanSummary> {
  const plan = await readPlan(deps.store, ref);
  const [{ fleetSize }, quotas] = await Promise.all([deps.guard.status(), deps.quotas()]);
  const { waves, settings, excluded } = plan;
  const devices = sum(waves.map(({ size }) => size));
  const selected = devices + sum(Object.values(excluded).map(({ count }) => count));
  return {
    ref,
    contentHash: contentHash(plan),
    ...{ devices, fleetSize, onlyForward: isOnlyForward(plan) },
    waves: waves.map(({ number, size, strata }) => ({ number, size, strata: largest(strata) })),
    excluded: counts(excluded),
    routes: plan.routes.map(({ hardware, from, hops, devices: count = 0 }) => ({
      ...{ hardware, from, path: hops.map(({ target }) => target), devices: count },
    })),
    findings: findingsOf(plan, quotas.source),
    approversNeeded: approversNeeded(plan, fleetSize),
    worstCaseAtRisk: worstCaseAtRisk(waves, settings),
    ...estimate(waves, settings, selected, quotas),
    quotas: quotas.source,
  };
}

/** The same for the same devices, waves, ways and settings, whichever run plans them, and whoever asks for it. */
function contentHash({ release, routes, waves, settings }: RolloutPlan): string {
  const asked = { dryRun: false, planHash: null, reason: '', requestedBy: '' };
  const content = waves.map(({ size, chunks }) => [size, chunks.map((chunk) => chunk.sha256)]);
  return sha256(JSON.stringify([release, routes, content, { ...settings, ...asked }]));
}

/** Devices whose way has a hop that no signed revert leads back from. */
const withoutRevert = ({ routes }: RolloutPlan): number =>
  sum(
    routes
      .filter(({ hops }) => hops.some(({ revert }) => revert === null))
      .map(({ devices = 0 }) => devices),
  );

function findingsOf(plan: RolloutPlan, quotas: string): string[] {
  const { release, excluded, settings, notFound = { count: 0, examples: [] } } = plan;
  const stuck = withoutRevert(plan);
  const left = (
    Object.entries(excluded) as [ExclusionReason, { count: number; examples: string[] }][]
  )
    .filter(([, { count }]) => count > 0)
    .map(
      ([reason, some]) =>
        `${some.count} left out: they ${EXCLUDED_BECAUSE[reason]} (${listed(some)})`,
    );
  return [
    ...(release.raisesEpoch
      ? [`${release.version} raises the security epoch: it can only be followed, never undone`]
      : []),
    ...(stuck > 0
      ? [`${stuck} devices could not be brought back: no revert is signed for them`]
      : []),
    ...(settings.emergency && settings.window !== null
      ? ['emergency: the window does not hold']
      : []),
    ...(notFound.count > 0
      ? [`${notFound.count} of the named devices were not found (${listed(notFound)})`]
      : []),
    ...left,
    ...(quotas === 'live'
      ? []
      : ['the quotas are AWS’s documented ones: Service Quotas did not answer']),
  ];
}

const listed = ({ count, examples }: { count: number; examples: string[] }): string =>
  `${examples.join(', ')}${count > examples.length ? ', …' : ''}`;

/** Bounded for history; the plan in object storage has them all. */
const largest = (strata: Record<string, number>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(strata)
      .sort(([, a], [, b]) => b - a)
      .slice(0, SHOWN_STRATA),
  );
const SHOWN_STRATA = 20;

const counts = (excluded: RolloutPlan['excluded']) =>
  Object.fromEntries(
    Object.entries(excluded).map(([reason, { count }]) => [reason, count]),
  ) as Record<ExclusionReason, number>;

const sum = (numbers: number[]): number => numbers.reduce((total, each) => total + each, 0);
