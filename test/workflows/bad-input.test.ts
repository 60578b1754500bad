import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { TASK_QUEUES, WORKFLOWS } from '../../domain/temporal';
import { temporalAddress } from '../support/temporal';
import { openBed, OPEN_TIMEOUT_MS, type Bed } from './bed';
import { refusalOf, startRun, update } from './runs';

let bed: Bed;
beforeAll(async () => {
  bed = await openBed(await temporalAddress());
  await bed.enrol('bad-known');
}, OPEN_TIMEOUT_MS);
afterAll(() => bed.close());

async function failureOf(workflowId: string, args: unknown[]): Promise<ApplicationFailure> {
  try {
    await bed.temporal.workflow.execute(WORKFLOWS.quarantine, {
      workflowId,
      taskQueue: TASK_QUEUES.runbooks,
      args,
      workflowExecutionTimeout: '10 seconds',
    });
  } catch (err) {
    if (err instanceof WorkflowFailedError && err.cause instanceof ApplicationFailure)
      return err.cause;
    throw err;
  }
  throw new Error('the run was not refused');
}

const KNOWN = { thing: 'bad-known', reason: 'a test' };
const ID = 'quarantine/bad-known';

it.each<[what: string, args: unknown[], fields: string[], workflowId?: string]>([
  ['no argument at all', [], ['input']],
  ['null', [null], ['input']],
  ['an array', [[KNOWN]], ['input']],
  ['a string', ['bad-known'], ['input']],
  ['a number', [7], ['input']],
  ['an empty object', [{}], ['thing', 'reason']],
  ['a thing of the wrong type', [{ ...KNOWN, thing: 7 }], ['thing']],
  ['an empty reason', [{ ...KNOWN, reason: '' }], ['reason']],
  ['a hostile thing name', [{ ...KNOWN, thing: '../*' }], ['thing']],
  ['an unknown thing', [{ ...KNOWN, thing: 'bad-unknown' }], ['thing'], 'quarantine/bad-unknown'],
  ['an extra field', [{ ...KNOWN, force: true }], ['force']],
  [
    'a setting out of limits',
    [{ ...KNOWN, settings: { holdFor: '1 year' } }],
    ['settings.holdFor'],
  ],
  ["another thing's workflow id", [KNOWN], ['workflowId'], 'quarantine/other'],
  ['two faults at once', [{ thing: 'bad-known', dryRun: 'yes' }], ['reason', 'dryRun']],
])(
  'fails at once on %s, names each field and changes nothing',
  async (_, args, fields, id = ID) => {
    bed.proxy.reset();
    const failure = await failureOf(id, args);
    expect(failure).toMatchObject({ type: 'InvalidInput', nonRetryable: true });
    const issues = failure.details?.[0] as { field: string; problem: string }[];
    expect(issues.map(({ field }) => field).sort()).toEqual([...fields].sort());
    for (const { field, problem } of issues)
      expect(failure.message).toContain(`${field}: ${problem}`);
    expect(bed.proxy.calls().filter(({ mutating }) => mutating)).toEqual([]);
  },
);

it('accepts the same input without a fault', async () => {
  bed.proxy.reset();
  const run = await startRun(bed, 'bad-known', { dryRun: true });
  expect(await run.result()).toMatchObject({ outcome: 'planned' });
});

it.each([[[]], [[null]], [[{ eventId: 'x' }]], [[{ eventId: 7, alarm: {} }]]])(
  'refuses the alarm Update %j rather than stop working',
  async (args) => {
    const run = await startRun(bed, 'bad-known');
    expect(await refusalOf(update(run, 'alarm', ...args))).toMatchObject({ type: 'Refused' });
    await run.terminate();
  },
);
