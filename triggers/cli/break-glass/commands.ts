import { driftSince } from '../../../domain/quarantine/drift';
import type { Guard } from '../../../domain/guard/types';
import { QUARANTINE_JOB_PREFIX, quarantineId } from '../../../domain/ids';
import { THING_NAME } from '../../../domain/names';
import type { ContainmentRecord } from '../../../domain/quarantine/types';
import { containDevice } from '../../../activities/quarantine/contain';
import { isoTime, type ContainmentDeps } from '../../../activities/quarantine/deps';
import { sendJob } from '../../../activities/quarantine/device-jobs';
import { deniedByDocuments, sessionIsGone } from '../../../activities/quarantine/prove';
import { restoreDevice } from '../../../activities/quarantine/restore';
import { readDevice, takeSnapshot } from '../../../activities/quarantine/snapshot';
import { UsageError } from '../usage';

export interface BreakGlassDeps extends ContainmentDeps {
  /** Told afterwards, where it can be reached: it must not stop a person. */
  guard: Pick<Guard, 'adopt' | 'giveBack' | 'status'>;
  log(line: string): void;
}

export interface BreakGlassRequest {
  things: string[];
  reason: string;
  by: string[];
}

export interface BreakGlassResult {
  thing: string;
  ok: boolean;
  detail: string;
}

const MAX_BATCH = 10;
const DEBUG_LOGS_MS = 4 * 60 * 60 * 1000;
const CONFIRM_LOOKS = 20;

/** Contains by AWS alone: no Temporal, no guard. The record makes the reconciler adopt it. */
export async function contain(
  deps: BreakGlassDeps,
  request: BreakGlassRequest,
): Promise<BreakGlassResult[]> {
  check(request);
  if (request.things.length > 1 && people(request.by) < 2)
    throw new UsageError('more than one thing needs two people: give --by twice, with two names');
  return each(request.things, (thing) => containOne(deps, thing, request));
}

/** Puts things back from their records, by AWS alone. Never refused: what someone else changed meanwhile is said and left. */
export async function release(
  deps: BreakGlassDeps,
  request: BreakGlassRequest,
): Promise<BreakGlassResult[]> {
  check(request);
  return each(request.things, (thing) => releaseOne(deps, thing, request));
}

async function containOne(
  deps: BreakGlassDeps,
  thing: string,
  { reason, by }: BreakGlassRequest,
): Promise<string> {
  if (!(await deps.registry.thingExists(thing)))
    throw new Error(`no thing is named ${thing} in this account`);
  const snapshot = await takeSnapshot(deps, thing);
  const shared = snapshot.affectedThings.filter((name) => name !== thing);
  if (snapshot.obstacles.length > 0) throw new Error(snapshot.obstacles.join('; '));
  if (shared.length > 0 && people(by) < 2)
    throw new Error(
      `a certificate of it also serves ${shared.join(', ')}, which are contained with it: two people are needed, give --by twice`,
    );
  for (const finding of snapshot.findings) deps.log(`${thing}: ${finding}`);
  const at = deps.now();
  const record: ContainmentRecord = {
    version: 1,
    workflowId: quarantineId(thing),
    by: by.join(', '),
    reason,
    at: isoTime(at),
    breakGlass: true,
    debugUntil: isoTime(at + DEBUG_LOGS_MS),
    snapshot,
  };
  await containDevice(deps, record, {
    assertMayAct: () => Promise.resolve(),
    mayHaveRun: snapshot.alreadyContained,
  });
  await sendJob(deps, {
    thing,
    jobId: `${QUARANTINE_JOB_PREFIX}break-glass-contain-${at}`,
    document: { version: 1, requestedBy: quarantineId(thing), operation: 'contain', reason },
  });
  await tellGuard(deps, () =>
    deps.guard.adopt({
      things: snapshot.affectedThings,
      owner: quarantineId(thing),
      workflowId: quarantineId(thing),
    }),
  );
  await confirm(deps, record);
  const also = shared.length > 0 ? `; contained with it: ${shared.join(', ')}` : '';
  return `contained by policy, session dropped${also}; AWS may take 6 to 8 minutes to enforce it everywhere`;
}

/** Reads back what was done, rather than trusting that the calls were answered. */
async function confirm(deps: BreakGlassDeps, { snapshot }: ContainmentRecord): Promise<void> {
  for (let look = 0; look < CONFIRM_LOOKS; look += 1) {
    const [denied, gone] = await Promise.all([
      deniedByDocuments(deps, snapshot.thing),
      sessionIsGone(deps, snapshot),
    ]);
    if (denied && gone) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error(
    'the Deny is attached, but the documents or the session do not show it yet: run it again',
  );
}

async function releaseOne(
  deps: BreakGlassDeps,
  thing: string,
  { reason, by }: BreakGlassRequest,
): Promise<string> {
  const record = await deps.records.get(thing);
  if (record === null)
    throw new Error(`${thing} has no containment record: it is not contained, or was released`);
  const now = await readDevice(deps, thing);
  const escalated = now.certificates.some(({ status }) => status === 'INACTIVE');
  for (const drift of driftSince(record.snapshot, now, escalated))
    deps.log(`${thing}: changed by someone else and left as it is: ${drift}`);
  await restoreDevice(deps, record.snapshot);
  await tellGuard(deps, () => giveBack(deps, quarantineId(thing)));
  deps.log(`${thing}: released by ${by.join(', ')}: ${reason}`);
  return `restored as it was on ${record.snapshot.takenAt}; a run that still holds it is ended by the reconciler`;
}

async function giveBack({ guard }: BreakGlassDeps, owner: string): Promise<void> {
  const held = (await guard.status()).leases.filter((lease) => lease.owner === owner);
  const [first] = held;
  if (first === undefined) return;
  await guard.giveBack({ owner, fence: first.fence, things: held.map(({ thing }) => thing) });
}

async function tellGuard(deps: BreakGlassDeps, tell: () => Promise<unknown>): Promise<void> {
  try {
    await tell();
  } catch (err) {
    const why = err instanceof Error ? err.message : String(err);
    deps.log(`the guard was not told (${why}): the reconciler does it once it is back`);
  }
}

/** One person is one person, however the name is spelt. */
const people = (names: string[]): number =>
  new Set(names.map((name) => name.normalize('NFKC').trim().replace(/\s+/g, ' ').toLowerCase()))
    .size;

function check({ things, reason, by }: BreakGlassRequest): void {
  const bad = things.filter((thing) => !THING_NAME.test(thing));
  if (bad.length > 0) throw new UsageError(`not a thing name: ${bad.join(', ')}`);
  if (things.length > MAX_BATCH)
    throw new UsageError(`${things.length} things in one batch: at most ${MAX_BATCH}, then look`);
  if (reason.trim() === '') throw new UsageError('--reason must say why');
  if (by.length === 0 || by.some((name) => name.trim() === ''))
    throw new UsageError('--by must name who does this');
}

async function each(
  things: string[],
  act: (thing: string) => Promise<string>,
): Promise<BreakGlassResult[]> {
  const results: BreakGlassResult[] = [];
  for (const thing of new Set(things))
    try {
      results.push({ thing, ok: true, detail: await act(thing) });
    } catch (err) {
      const detail = err instanceof Error ? err.message : String(err);
      results.push({ thing, ok: false, detail });
    }
  return results;
}
