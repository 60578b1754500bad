import { condition } from '@temporalio/workflow';
import { addWaves, note, planOf, type Rollout, type Stop } from './staged-ota-state';
import { show } from './staged-ota-view';
import { runWave } from './staged-ota-waves';
import { isoTime } from './time';

/**
 * Stops what is in flight, hears from every touched device what it runs, and brings back those that run something else than
 * they came from. True where it did.
 */
export async function abort(run: Rollout, stop: Stop): Promise<boolean> {
  const { state, settings, steps } = run;
  const { ref } = planOf(state);
  state.stop = stop;
  state.abortedAt = stop.at;
  note(state, `stopped: ${stop.why}`);
  show(state, 'aborting', 'cancel every job, until all executions are terminal');
  const { acknowledgedAt } = await steps.cancelJobs({ ref, why: stop.why });
  state.abortAcknowledgedAt = acknowledgedAt;
  show(state, 'settling', 'every touched device says what it runs', in_(settings.settleWithinMs));
  const settled = await steps.settle({ ref, withinMs: settings.settleWithinMs });
  state.devices = settled.counts;
  state.findings.push(...settled.findings);
  if (settled.toRollBack === 0) return false;
  if (!stop.rollback && settings.onAbort === 'hold' && !(await askPerson(run, settled.toRollBack)))
    return false;
  return rollBack(run);
}

/** Until a person says `rollback` or `abort`. True for the first. */
async function askPerson({ state, settings, steps }: Rollout, devices: number): Promise<boolean> {
  const before = state.stop;
  const what = `${devices} devices run ${settings.release} or half of it`;
  show(
    state,
    'needsPerson',
    `${what}: Update \`rollback\` brings them back, \`abort\` leaves them`,
  );
  await steps.page({
    id: `${planOf(state).ref.rolloutId}-rollback`,
    subject: `Rollout of ${settings.release} was stopped`,
    text: `${what}: roll back or leave them?`,
  });
  await condition(() => state.stop !== before);
  return state.stop?.rollback === true;
}

/** The inverse rollout, in waves of its own. One that aborts leaves the rest to a person. */
async function rollBack(run: Rollout): Promise<boolean> {
  const { state, settings, steps } = run;
  const plan = await steps.planRollback(planOf(state).ref);
  if (plan === null) return false;
  addWaves(state, 'rollback', plan);
  state.rollback = plan.ref;
  for (const wave of plan.waves) {
    show(state, 'rollingBack', `wave ${wave.number} of ${plan.waves.length} back`);
    const outcome = await runWave(run, { kind: 'rollback', ref: plan.ref, ...wave });
    if (outcome.end === 'passed') continue;
    note(state, `the rollback stopped at wave ${wave.number}: ${outcome.reasons.join('; ')}`);
    await steps.page({
      id: `${plan.ref.rolloutId}-rollback-stopped`,
      subject: `Rollback of ${settings.release} stopped`,
      text: outcome.reasons.join('; '),
    });
    break;
  }
  return true;
}

const in_ = (ms: number): string => isoTime(Date.now() + ms);
