import { capsFor } from '../../domain/guard/caps';
import type { GuardView, Refusal } from '../../domain/guard/decide';
import { decideReservation, MAX_THINGS, soundThings } from '../../domain/guard/decide';
import type { Guard, Lease, ReserveInput, ReserveResult } from '../../domain/guard/types';
import type { ApprovalDeps } from './approvals';
import { guardStopped, leaseLost, nothingSelected } from './failures';
import { grantWrites, readFacts } from './facts';
import { holdsLive, reclaimLapsed, toLease, withThings } from './holdings';

export const RESERVATION_LIFE_MS = 10 * 60_000;

export function createReserve(deps: ApprovalDeps): Pick<Guard, 'reserve' | 'adopt'> {
  return {
    reserve: (input) =>
      deps.store.settle(async () => {
        const first = await attempt(deps, input);
        if (first.granted || first.reason === 'nothingSelected') return first;
        return (await reclaimLapsed(deps)) > 0 ? attempt(deps, input) : first;
      }),
    adopt: (input) =>
      deps.store.settle(async () => {
        const first = await takeOver(deps, input);
        if (first !== null) return first;
        await reclaimLapsed(deps);
        const second = await takeOver(deps, input);
        if (second !== null) return second;
        throw leaseLost(
          `Another run holds ${input.things.join(', ')}: ${input.owner} can't adopt.`,
        );
      }),
  };
}

async function attempt(deps: ApprovalDeps, input: ReserveInput): Promise<ReserveResult> {
  const { store, now } = deps;
  const at = now();
  const facts = await readFacts(deps, input);
  const decision = decideReservation(facts.view, input, at);
  if (decision.outcome === 'stopped') throw guardStopped(facts.view.switch);
  if (decision.outcome === 'refused') return toRefusal(decision, facts.view);

  const things = soundThings(input.things) ?? [];
  const held = facts.reservation.value;
  if (held !== null && holdsLive(held, things, at)) {
    return { granted: true, lease: toLease(input.owner, held, at), approvers: held.approvers };
  }
  const approvers = decision.path === 'approved' ? facts.view.approvers : (held?.approvers ?? []);
  const reservation = {
    things: withThings(held, things, { at, expiresAt: at + RESERVATION_LIFE_MS }),
    fence: facts.counter.value.fence + 1,
    approvers,
  };
  await store.commit(grantWrites(store, facts, { decision, reservation, owner: input.owner, at }));
  return { granted: true, lease: toLease(input.owner, reservation, at), approvers };
}

/** Null where another owner holds one of the things. */
async function takeOver(
  deps: ApprovalDeps,
  input: Omit<ReserveInput, 'targetHash'>,
): Promise<Lease | null> {
  const { store, now } = deps;
  const at = now();
  const things = soundThings(input.things);
  if (things === null || things.length > MAX_THINGS) {
    throw nothingSelected(
      `Adopt takes 1 to ${MAX_THINGS} plain thing names, not ${input.things.length}.`,
    );
  }
  const facts = await readFacts(deps, { ...input, targetHash: '' });
  if (facts.view.leases.some((lease) => lease.owner !== input.owner)) return null;

  const held = facts.reservation.value;
  const newThings = things.filter((thing) => !held?.things.some((h) => h.thing === thing));
  if ((held?.things.length ?? 0) + newThings.length > MAX_THINGS) throw tooMany(input.things);
  const reservation = {
    things: withThings(held, things, { at, expiresAt: null }),
    fence: facts.counter.value.fence + 1,
    approvers: held?.approvers ?? [],
  };
  const decision = { outcome: 'granted', path: 'held', newThings } as const;
  await store.commit(grantWrites(store, facts, { decision, reservation, owner: input.owner, at }));
  return toLease(input.owner, reservation, at);
}

const tooMany = (things: string[]) =>
  nothingSelected(
    `Adopt takes 1 to ${MAX_THINGS} plain thing names for one owner, not ${JSON.stringify(things).slice(0, 200)}.`,
  );

function toRefusal(refusal: Refusal, view: GuardView): ReserveResult {
  const { reason, explanation, retryAfterMs } = refusal;
  const caps = capsFor(view.fleetSize);
  return {
    granted: false,
    reason,
    explanation,
    retryAfterMs,
    containedNow: view.containedNow,
    automaticCap: caps.automatic,
    approvedCap: caps.approved,
    approvers: view.approvers,
  };
}
