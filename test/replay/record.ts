/**
 * Records a history of each path of the runbooks from runs on a real server, for `replay.test.ts`:
 * `npm run record-histories`. Those of rollouts have activities that answer by a script, so that each path is taken.
 *
 * Record anew only where a change of workflow code was never released; once it was, keep the old file beside the new one
 * (`held-released.2.json`) and guard the change with `patched`, since runs of the old code may still be open.
 */
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { otaWaveId } from '../../domain/ids';
import { startTemporal } from '../../local/stack/temporal';
import { openBed, type Bed } from '../workflows/bed';
import { writeHistory } from './history-file';
import {
  BY,
  held,
  release,
  startCollection,
  startRun,
  untilSearchable,
  update,
  type Run,
} from '../workflows/runs';
import {
  nothingToTell,
  openScriptedRollouts,
  report,
  untilPhase,
  type RolloutRun,
  type ScriptedRollouts,
} from '../workflows/scripted-rollout';

const HISTORIES = join(__dirname, 'histories');
const ROOT = resolve(__dirname, '..', '..');

/** Each leaves a run that has ended. */
const PATHS: Record<string, (bed: Bed) => Promise<Pick<Run, 'fetchHistory'>>> = {
  'contained-released': async (bed) => {
    await bed.device('replay-released');
    const run = await held(bed, 'replay-released');
    await update(run, 'extendHold', { ...BY, holdFor: '2 hours' });
    await release(run);
    return run;
  },
  refused: async (bed) => {
    await bed.enrol('replay-refused');
    await bed.allowAutomatically(1);
    const owner = 'record';
    const lease = await bed.guard.adopt({ things: ['other'], owner, workflowId: owner });
    const run = await startRun(bed, 'replay-refused', { settings: { approveWithin: '1 second' } });
    await run.result();
    await bed.guard.giveBack(lease);
    return run;
  },
  cancelled: async (bed) => {
    await bed.device('replay-cancelled');
    const run = await held(bed, 'replay-cancelled');
    await run.cancel();
    await run.result().catch(() => undefined);
    return run;
  },
  escalated: async (bed) => {
    await bed.device('replay-escalated');
    const run = await held(bed, 'replay-escalated');
    await update(run, 'escalate', BY);
    await release(run);
    return run;
  },
  'logs-collected': async (bed) => {
    await bed.device('replay-logs');
    const run = await startCollection(bed, 'replay-logs', 1);
    await run.result();
    return run;
  },
  'logs-absent': async (bed) => {
    await bed.enrol('replay-absent');
    const settings = { waitForDevice: '1 second' };
    const run = await startCollection(bed, 'replay-absent', 1, { settings });
    await run.result();
    return run;
  },
  'logs-cancelled': async (bed) => {
    await bed.enrol('replay-logs-cancelled');
    const run = await startCollection(bed, 'replay-logs-cancelled', 1);
    await untilSearchable(run, 'waiting');
    await run.cancel();
    await run.result().catch(() => undefined);
    return run;
  },
};

/** Each leaves a run that has ended; its first wave is recorded beside it. */
const ROLLOUTS: Record<string, (rollouts: ScriptedRollouts) => Promise<RolloutRun>> = {
  'rollout-completed': async (rollouts) => {
    const run = await rollouts.start({ plan: { approversNeeded: 2 }, settings: { soakMs: 200 } });
    await untilPhase(run, 'awaitingApproval');
    await run.executeUpdate('approve', { args: [{ token: 'ada,grace' }] });
    return run;
  },
  'rollout-steered': async (rollouts) => {
    const run = await rollouts.start({
      carryWave: ({ holding, overridden }) => {
        if (overridden) return Promise.resolve(report('complete'));
        return holding ? nothingToTell() : Promise.resolve(report('hold', 'no data'));
      },
    });
    await untilPhase(run, 'holding');
    await run.executeUpdate('pause', { args: [BY] });
    await untilPhase(run, 'paused');
    await run.executeUpdate('resume', { args: [BY] });
    await run.executeUpdate('advance', { args: [BY] });
    await untilPhase(run, 'holding', 2);
    await run.executeUpdate('advance', { args: [BY] });
    return run;
  },
  'rollout-rolled-back': async (rollouts) => {
    const run = await rollouts.start({
      toRollBack: 2,
      settings: { onAbort: 'hold' },
      carryWave: ({ kind }) =>
        Promise.resolve(kind === 'rollout' ? report('abort', 'bad') : report('complete')),
    });
    await untilPhase(run, 'needsPerson');
    await run.executeUpdate('rollback', { args: [BY] });
    return run;
  },
  'rollout-alarmed': (rollouts) =>
    rollouts.start({
      settings: { soakMs: 500 },
      watchSoak: () => {
        const { counts, reasons } = report('abort', 'alarm');
        const end = rollouts.calls.length < 5 ? 'alarm' : 'abort';
        rollouts.calls.push('watchSoak');
        return Promise.resolve({ end, counts, reasons, crossedAt: null });
      },
    }),
};

async function record(): Promise<void> {
  const temporal = await startTemporal({ log: (line) => console.error(line) });
  try {
    await recordQuarantines(temporal.address);
    await recordRollouts(temporal.address);
  } finally {
    await temporal.stop();
  }
}

async function recordQuarantines(address: string): Promise<void> {
  const bed = await openBed(address);
  try {
    for (const [name, drive] of Object.entries(PATHS)) {
      await bed.allowAutomatically(10);
      await save(name, await drive(bed));
    }
  } finally {
    await bed.close();
  }
}

async function recordRollouts(address: string): Promise<void> {
  const rollouts = await openScriptedRollouts(address);
  try {
    for (const [name, drive] of Object.entries(ROLLOUTS)) {
      const run = await drive(rollouts);
      const { plan } = await run.result();
      await save(name, run);
      const wave = otaWaveId(plan?.ref.rolloutId ?? '', 'rollout', 1);
      await save(`${name}-wave`, run.client.getHandle(wave));
    }
  } finally {
    await rollouts.close();
  }
}

async function save(name: string, run: Pick<Run, 'fetchHistory'>): Promise<void> {
  writeHistory(join(HISTORIES, `${name}.json`), await run.fetchHistory(), (text) =>
    text.replaceAll(`${ROOT}/`, '').replaceAll(`@${hostname()}`, '@recorder'),
  );
  console.error(`recorded ${name}`);
}

record().catch((err: unknown) => {
  console.error(err);
  process.exitCode = 1;
});
