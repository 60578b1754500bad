import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { WorkflowFailedError } from '@temporalio/client';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { temporalAddress } from '../support/temporal';
import {
  nothingToTell,
  openScriptedRollouts,
  report,
  untilPhase,
  type RolloutRun,
  type ScriptedRollouts,
} from './scripted-rollout';

const BY = { by: 'responder', reason: 'a test' };

let rollouts: ScriptedRollouts;
const update = (run: RolloutRun, name: string, args: object = BY): Promise<string> =>
  run.executeUpdate<string, [object]>(name, { args: [args] });

const refusalOf = (update: Promise<string>): Promise<string> =>
  update.then(
    () => 'was accepted',
    (err: unknown) =>
      err instanceof WorkflowUpdateFailedError ? (err.cause?.message ?? '') : String(err),
  );

const permanent = (message: string) => ApplicationFailure.nonRetryable(message, 'PlanChanged');

// Within a block, so that it is closed before the server is stopped.
describe('a staged rollout', () => {
  beforeAll(async () => {
    rollouts = await openScriptedRollouts(await temporalAddress());
  }, 240_000);
  afterAll(() => rollouts.close());

  describe('of two waves', () => {
    it('opens a wave only once the one before has passed, and lists every device', async () => {
      const run = await rollouts.start();
      const result = await run.result();
      expect(rollouts.calls).toEqual([
        ...['openWave rollout 1', 'carryWave rollout 1', 'carried rollout 1'],
        ...['openWave rollout 2', 'carryWave rollout 2', 'carried rollout 2', 'closeRollout'],
      ]);
      expect(result).toMatchObject({ outcome: 'completed', list: { key: 'result.json' } });
      expect(result.waves.map(({ state }) => state)).toEqual(['passed', 'passed']);
    });

    it('returns a plan and changes nothing where it is a dry run', async () => {
      const run = await rollouts.start({}, { dryRun: true });
      const { outcome, plan } = await run.result();
      expect({ outcome, findings: plan?.findings }).toEqual({
        outcome: 'planned',
        findings: ['a dry run'],
      });
      expect(rollouts.calls).toEqual([]);
    });

    it('pages where a device needs a person in the end', async () => {
      const run = await rollouts.start({ needsPerson: 2 });
      await run.result();
      expect(rollouts.calls.at(-1)).toBe('page: 2 devices need a person after the rollout of …');
    });
  });

  describe('approval', () => {
    const plan = { approversNeeded: 2 };

    it('waits for two people, and tells what they sign', async () => {
      const run = await rollouts.start({ plan });
      await untilPhase(run, 'awaitingApproval');
      expect(await run.query('approvalTarget')).toEqual({
        targetHash: 'f'.repeat(64),
        targets: [],
        summary: '10 of 100 devices in waves of 5, 5',
      });
      await update(run, 'approve', { token: 'ada' });
      expect(rollouts.calls).toEqual([]);
      await update(run, 'approve', { token: 'ada,grace' });
      expect((await run.result()).outcome).toBe('completed');
    });

    it('changes nothing where it does not come in time', async () => {
      const run = await rollouts.start({ plan, settings: { approveWithinMs: 200 } });
      expect((await run.result()).outcome).toBe('refused');
      expect(rollouts.calls).toEqual([]);
    });
  });

  describe('a wave that the gate holds', () => {
    const holds: Parameters<ScriptedRollouts['start']>[0] = {
      carryWave: async ({ holding, overridden }) => {
        if (overridden) return report('complete');
        return holding ? nothingToTell() : report('hold', 'no data of the metric');
      },
    };

    it('pages once, and goes on by hand', async () => {
      const run = await rollouts.start(holds);
      const status = await untilPhase(run, 'holding');
      expect(status.waves[0]?.reasons).toEqual(['no data of the metric']);
      await update(run, 'advance');
      await untilPhase(run, 'holding', 2);
      expect(rollouts.calls.filter((call) => call.startsWith('page'))).toEqual([
        'page: Rollout of … holds at wave 1',
        'page: Rollout of … holds at wave 2',
      ]);
      await update(run, 'advance');
      const { outcome, decisions } = await run.result();
      expect(outcome).toBe('completed');
      expect(decisions[0]).toContain('advance by responder: a test');
    });
  });

  describe('pause and resume', () => {
    it('reach the wave under way, and the one that comes next', async () => {
      const run = await rollouts.start({
        carryWave: ({ calls }) =>
          calls < 2 ? nothingToTell() : Promise.resolve(report('complete')),
      });
      await untilPhase(run, 'waiting');
      await update(run, 'pause');
      await untilPhase(run, 'paused');
      expect(await refusalOf(update(run, 'pause'))).toBe('the rollout is paused already');
      expect(await refusalOf(update(run, 'advance'))).toContain('Update `resume` first');
      await update(run, 'resume');
      await untilPhase(run, 'waiting');
      expect(rollouts.carried.filter(({ wave }) => wave === 1).map(({ paused }) => paused)).toEqual(
        [false, true, false],
      );
      await update(run, 'abort');
      await run.result();
    });
  });

  describe('abort', () => {
    it('stops the wave before it cancels its jobs, and brings touched devices back', async () => {
      const run = await rollouts.start({
        toRollBack: 2,
        carryWave: ({ kind }) =>
          kind === 'rollout' ? nothingToTell() : Promise.resolve(report('complete')),
      });
      await untilPhase(run, 'waiting');
      await update(run, 'abort');
      const result = await run.result();
      expect(result).toMatchObject({ outcome: 'rolledBack' });
      expect(result.abortAcknowledgedAt).not.toBeNull();
      const from = rollouts.calls.indexOf('cancelJobs');
      expect(rollouts.calls.slice(0, from)).toContain('carried rollout 1');
      expect(rollouts.calls.slice(from)).toEqual([
        ...['cancelJobs', 'settle', 'planRollback'],
        ...['openWave rollback 1', 'carryWave rollback 1', 'carried rollback 1'],
        ...['openWave rollback 2', 'carryWave rollback 2', 'carried rollback 2', 'closeRollout'],
      ]);
    });

    it('by the gate opens no further wave, and says when it was crossed', async () => {
      const run = await rollouts.start({
        carryWave: () => Promise.resolve(report('abort', '1 of 5 devices failed')),
      });
      const result = await run.result();
      expect(result).toMatchObject({ outcome: 'aborted', decisions: [expect.any(String)] });
      expect(result.summary).toContain('wave 1: 1 of 5 devices failed');
      expect(rollouts.calls).not.toContain('openWave rollout 2');
      expect(rollouts.calls).toContain('cancelJobs');
    });

    it('asks a person first where the runbook says so', async () => {
      const run = await rollouts.start({
        settings: { onAbort: 'hold' },
        toRollBack: 1,
        carryWave: ({ kind }) =>
          Promise.resolve(kind === 'rollout' ? report('abort', 'bad') : report('complete')),
      });
      await untilPhase(run, 'needsPerson');
      expect(rollouts.calls).not.toContain('planRollback');
      await update(run, 'rollback');
      expect((await run.result()).outcome).toBe('rolledBack');
    });

    it('of the way back leaves the rest to a person', async () => {
      const run = await rollouts.start({
        toRollBack: 5,
        carryWave: () => Promise.resolve(report('abort', 'bad')),
      });
      await run.result();
      expect(rollouts.calls).toContain('page: Rollback of … stopped');
      expect(rollouts.calls).not.toContain('openWave rollback 2');
      expect(rollouts.calls.at(-1)).toBe('closeRollout');
    });

    it('follows on a cancelled run, too', async () => {
      const run = await rollouts.start({ carryWave: nothingToTell });
      await untilPhase(run, 'waiting');
      await run.cancel();
      const failure = await run.result().catch((err: unknown) => err);
      expect((failure as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
      expect(rollouts.calls.slice(-3)).toEqual(['cancelJobs', 'settle', 'closeRollout']);
    });

    it('follows on a step that fails for good', async () => {
      const run = await rollouts.start({
        openWave: () => Promise.reject(permanent('the plan was changed')),
      });
      const { outcome, summary } = await run.result();
      expect(outcome).toBe('aborted');
      expect(summary).toContain('the plan was changed');
    });
  });

  describe('the soak', () => {
    const settings = { soakMs: 1_000 };

    it('begins anew with an alarm', async () => {
      let alarms = 0;
      const run = await rollouts.start({
        settings,
        plan: { waves: [{ number: 1, size: 5, strata: {} }] },
        watchSoak: async () => {
          if ((alarms += 1) > 2) return nothingToTell();
          const { counts, reasons } = report('abort', 'alarm');
          return { end: 'alarm', counts, reasons, crossedAt: null };
        },
      });
      expect((await run.result()).outcome).toBe('completed');
      expect(alarms).toBe(3);
    });

    it('ends the rollout where the gate aborts in it', async () => {
      const { counts, reasons } = report('abort', 'unhealthy');
      const run = await rollouts.start({
        settings,
        watchSoak: () => Promise.resolve({ end: 'abort', counts, reasons, crossedAt: null }),
      });
      expect((await run.result()).summary).toContain('wave 1: unhealthy');
    });

    it('is cut short by hand, but not past an abort', async () => {
      const run = await rollouts.start({
        settings: { soakMs: 3_600_000 },
        judgeWave: () => Promise.resolve(report('abort', 'bad after all')),
      });
      await untilPhase(run, 'soaking');
      await update(run, 'advance');
      expect((await run.result()).summary).toContain('bad after all');
    });
  });

  describe('an Update that makes no sense', () => {
    it('is refused with what is wrong', async () => {
      const run = await rollouts.start({ plan: { approversNeeded: 2 } });
      await untilPhase(run, 'awaitingApproval');
      expect(await refusalOf(update(run, 'advance'))).toContain('no wave is under way');
      expect(await refusalOf(update(run, 'abort', { by: 'x' }))).toContain(
        'reason: must be a text',
      );
      expect(await refusalOf(update(run, 'rollback', { ...BY, force: 1 }))).toContain(
        'force: is not',
      );
      expect(await refusalOf(update(run, 'approve', { token: 7 }))).toContain(
        'token: must be a text',
      );
      await update(run, 'abort');
      expect((await run.result()).outcome).toBe('refused');
      expect(rollouts.calls).toEqual([]);
    });
  });
});
