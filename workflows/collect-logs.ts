import { CancellationScope, condition, isCancellation, workflowInfo } from '@temporalio/workflow';
import type { JobExecution } from '../activities/aws/iot-jobs';
import type {
  CollectLogsInput,
  CollectLogsPlan,
  CollectLogsResult,
} from '../domain/evidence/collect-logs';
import type { EvidenceItem } from '../domain/evidence/types';
import { logsJobId } from '../domain/ids';
import {
  outcomeOf,
  resultOf,
  show,
  showOpening,
  showOutcome,
  type Collection,
} from './collect-logs-state';
import { collectSteps, resolveCollection } from './collect-logs-steps';
import { orUnwrapped } from './failure';
import { isoTime } from './time';
import { Undo } from './undo';

/** A device that failed to collect or to upload is asked once more; one that refused is not. */
const ATTEMPTS = 2;
const WORTH_ANOTHER = ['FAILED', 'TIMED_OUT'];

/**
 * Keeps what the cloud knows of a device, then what the device itself has: waits for it however long it is offline, checks
 * size and hash of what it uploads, and writes all of it down in the incident's chain, what is missing too.
 */
export async function collectLogs(input: CollectLogsInput): Promise<CollectLogsResult> {
  const run = await begin(
    await orUnwrapped(resolveCollection({ input, workflowId: workflowInfo().workflowId })),
  );
  try {
    await keepCloudEvidence(run);
    await keepDeviceEvidence(run);
  } catch (err) {
    if (isCancellation(err)) await CancellationScope.nonCancellable(() => writeDownTheEnd(run));
    throw err;
  }
  const outcome = outcomeOf(run);
  showOutcome(run, outcome);
  return resultOf(run, outcome);
}

async function begin(plan: CollectLogsPlan): Promise<Collection> {
  const steps = collectSteps(plan);
  const since = await steps.openChain(plan.incident);
  const run: Collection = {
    ...{ plan, steps, undo: new Undo(), since, head: null, items: [] },
    ...{ phase: 'resolving', next: '' },
  };
  showOpening(run);
  return run;
}

async function keepCloudEvidence(run: Collection): Promise<void> {
  const { plan, steps } = run;
  const { thing, incident, legalHold } = plan;
  show(run, 'cloud', 'keep what the cloud knows of the device');
  const to = Date.now();
  const window = { from: to - plan.lookBackMs, to };
  const { runId } = workflowInfo();
  await writeDown(run, await steps.captureCloud({ thing, incident, runId, window, legalHold }));
}

async function keepDeviceEvidence(run: Collection): Promise<void> {
  const { plan, steps, undo } = run;
  const { thing, incident, maxBundleBytes, legalHold } = plan;
  const { runId } = workflowInfo();
  const deadline = Date.now() + plan.waitForDeviceMs;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const jobId = logsJobId(runId, attempt);
    undo.beforehand(() => steps.cancelDiagnostics({ thing, jobId }));
    const execution = await askDevice(run, jobId, deadline);
    if (execution === null) await undo.run();
    undo.forget();
    show(run, 'receiving', 'check the bundle, copy it to the evidence');
    const received = await steps.receiveBundle({
      ...{ thing, incident, runId, attempt, jobId, execution, legalHold },
      maxBytes: maxBundleBytes,
    });
    await writeDown(run, [received]);
    if (received.key !== null || !WORTH_ANOTHER.includes(execution?.status ?? '')) return;
  }
}

/** Null where the device did not answer until the deadline. */
async function askDevice(
  run: Collection,
  jobId: string,
  deadline: number,
): Promise<JobExecution | null> {
  const { plan, steps } = run;
  const { thing, hashRoots, uploadForMs } = plan;
  const requestedBy = workflowInfo().workflowId;
  await steps.sendDiagnostics({ thing, jobId, requestedBy, hashRoots, uploadForMs });
  const until = isoTime(deadline);
  show(run, 'waiting', `the device is asked; an offline one is waited for until ${until}`);
  const scope = new CancellationScope();
  let answered = false;
  const settled = () => void (answered = true);
  const answer = scope.run(() => steps.awaitDiagnostics({ thing, jobId }));
  void answer.then(settled, settled);
  const left = Math.max(1, deadline - Date.now());
  if (await condition(() => answered, left, { summary: 'Time for the device to answer' }))
    return answer;
  scope.cancel();
  return answer.catch((err: unknown) => {
    if (isCancellation(err)) return null;
    throw err;
  });
}

async function writeDown(run: Collection, items: EvidenceItem[]): Promise<void> {
  const { plan, steps, since } = run;
  const { workflowId, runId } = workflowInfo();
  const { incident, legalHold } = plan;
  const by = { workflowId, runId };
  run.head = await steps.appendEntries({ incident, since, items, by, legalHold });
  run.items.push(...items);
}

/** A record that just stops would look as if something had been taken out of it. */
async function writeDownTheEnd(run: Collection): Promise<void> {
  await run.undo.run();
  await writeDown(run, [
    {
      ...{ what: 'collection/cancelled', thing: run.plan.thing, key: null, bytes: null },
      sha256: { device: null, receipt: null },
      at: { device: null, received: isoTime(Date.now()) },
      partial: ['a person cancelled the collection'],
    },
  ]);
  showOutcome(run, 'cancelled');
}
