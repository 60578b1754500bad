/**
 * Records a history of each path of `quarantine` from a real run, for `replay.test.ts`: `npm run record-histories`.
 *
 * Record anew only where a change of workflow code was never released; once it was, keep the old file beside the new one
 * (`held-released.2.json`) and guard the change with `patched`, since runs of the old code may still be open.
 */
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { startTemporal } from '../../local/stack/temporal';
import { openBed, type Bed } from '../workflows/bed';
import { writeHistory } from './history-file';
import { BY, held, release, startRun, update, type Run } from '../workflows/runs';

const HISTORIES = join(__dirname, 'histories');
const ROOT = resolve(__dirname, '..', '..');

/** Each leaves a run that has ended. */
const PATHS: Record<string, (bed: Bed) => Promise<Run>> = {
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
};

async function record(): Promise<void> {
  const temporal = await startTemporal({ log: (line) => console.error(line) });
  const bed = await openBed(temporal.address);
  try {
    for (const [name, drive] of Object.entries(PATHS)) {
      await bed.allowAutomatically(10);
      const run = await drive(bed);
      writeHistory(join(HISTORIES, `${name}.json`), await run.fetchHistory(), (text) =>
        text.replaceAll(`${ROOT}/`, '').replaceAll(`@${hostname()}`, '@recorder'),
      );
      console.error(`recorded ${name}`);
    }
  } finally {
    await bed.close();
    await temporal.stop();
  }
}

record().catch((err: unknown) => {
  console.error(err);
  process.exitCode = 1;
});
