/** The guard: caps, kill switch, approvals and leases, shared by every runbook. Times are epoch milliseconds. */

export interface CapLimits {
  /** Contained at once without a person: max(count, percent of the fleet). */
  automatic: { count: number; percent: number };
  /** Contained at once with two distinct approvers: max(count, percent of the fleet). */
  approved: { count: number; percent: number };
  /** New automatic containments in any 60 seconds. */
  automaticPerMinute: number;
}

export const CAP_LIMITS: CapLimits = {
  automatic: { count: 1, percent: 1 },
  approved: { count: 5, percent: 5 },
  automaticPerMinute: 10,
};
export const APPROVERS_NEEDED = 2;

export interface ReserveInput {
  /** Every thing the act would touch: the target and all things that share one of its certificates. */
  things: string[];
  /** Who holds the lease: the workflow id of the runbook (also when break-glass acts for it). Makes a retry the same reservation. */
  owner: string;
  workflowId: string;
  /** Hash of the frozen target list; approvals are bound to it. */
  targetHash: string;
  /** Who asked for the act, where that is known: nobody approves what they asked for. */
  requestedBy?: string;
}

/** `fence` rises with every reservation ever made; an acting activity passes it and an older one is refused. */
export interface Lease {
  owner: string;
  fence: number;
  things: string[];
}

export type RefusalReason =
  /** More people can allow it: two distinct approvers. */
  | 'approvalNeeded'
  /** Nobody can allow it here: break-glass only. */
  | 'capReached'
  /** Another run holds one of the things. */
  | 'leased'
  /** An empty selector means zero devices. */
  | 'nothingSelected';

export type ReserveResult =
  | { granted: true; lease: Lease; approvers: string[] }
  | {
      granted: false;
      reason: RefusalReason;
      /** One sentence for a responder. */
      explanation: string;
      containedNow: number;
      automaticCap: number;
      approvedCap: number;
      approvers: string[];
      /** Refused by the rate alone: after this long it would be automatic. Null where waiting does not help. */
      retryAfterMs: number | null;
    };

/**
 * A lease for work on many devices that does not count as containment, such as a rollout's: one owner, any number of things,
 * all under one fence and one expiry. Containment takes a thing out of it without asking; giving it back is one write.
 */
export interface WorkLease {
  owner: string;
  fence: number;
}

export interface WorkLeaseResult {
  lease: WorkLease;
  leased: string[];
  /** Left out, by who holds it. */
  busy: { thing: string; owner: string }[];
}

/** The kill switch. At `stop` nothing that widens impact goes on; release and rollback never ask it. */
export interface GuardSwitch {
  state: 'run' | 'stop';
  reason: string;
  by: string;
  at: number;
}

export interface GuardStatus {
  switch: GuardSwitch;
  fleetSize: number;
  containedNow: number;
  automaticCap: number;
  approvedCap: number;
  leases: {
    thing: string;
    owner: string;
    fence: number;
    state: 'reserved' | 'confirmed';
    expiresAt: number | null;
  }[];
  /** Live work leases, one each whatever it covers. They count nowhere above. */
  work: { owner: string; fence: number; expiresAt: number }[];
}

/**
 * Failures: `GuardStopped` and `GuardUnreachable` are retryable (the act waits until the switch or the table is back);
 * `LeaseLost` is not (someone else holds the thing now).
 */
export interface Guard {
  /** Idempotent per `owner`: the same owner and things give the same lease again; more things widen it under a new fence. */
  reserve(input: ReserveInput): Promise<ReserveResult>;
  /**
   * Records that `owner` holds `things` that are contained already (after terminate, reset or break-glass). Caps are not asked,
   * since nothing is widened; the things count from now on. Takes a lease over from the same owner or an expired one, under a
   * new fence; the lease comes back confirmed. Throws `LeaseLost` where another owner holds one of the things.
   */
  adopt(input: Omit<ReserveInput, 'targetHash'>): Promise<Lease>;
  /** A reservation expires unless confirmed; a confirmed one counts until it is given back. */
  confirm(lease: Lease): Promise<void>;
  /** Never refused and idempotent: giving back what is not held changes nothing. */
  giveBack(lease: Lease): Promise<void>;
  /** Asked by an activity right before it acts. */
  assertMayAct(lease: Lease): Promise<void>;
  /** Verifies the token and records it; returns the approvers so far. Throws `ApprovalRejected` (not retryable) saying why. */
  approve(input: {
    token: string;
    workflowId: string;
    targetHash: string;
    requestedBy?: string;
  }): Promise<string[]>;
  /**
   * Leases what is free of `things` for work and leaves out what is not. Idempotent per owner: things it holds stay its own,
   * under the same fence while the lease lives; a lapsed or ended one begins anew under a higher fence. Refused by the switch.
   */
  leaseForWork(input: {
    owner: string;
    things: string[];
    lifeMs: number;
  }): Promise<WorkLeaseResult>;
  /** Read-only: what another owner holds of these now, reserved, confirmed or for work. */
  heldBy(things: string[], owner: string): Promise<{ thing: string; owner: string }[]>;
  /**
   * Asked right before acting on these things: which of them the lease still covers; the rest was taken for containment.
   * Extends the lease to `lifeMs` from now, at `stop` too, where it then throws `GuardStopped`. Otherwise throws `GuardUnreachable`
   * (retryable) or `LeaseLost`.
   */
  keepWork(input: { lease: WorkLease; things: string[]; lifeMs: number }): Promise<string[]>;
  /** One write, whatever it holds; never refused, idempotent. */
  endWork(lease: WorkLease): Promise<void>;
  /**
   * Distinct people whose approvals of this very hash are valid now, or were at the moment when most were: a token lives minutes
   * and a rollout days. Their signatures are verified again, so that who is struck off counts no more. What acts asks it, not
   * only what plans.
   */
  approversOf(input: {
    workflowId: string;
    targetHash: string;
    requestedBy?: string;
  }): Promise<string[]>;
  status(): Promise<GuardStatus>;
  setSwitch(input: { state: 'run' | 'stop'; reason: string; by: string }): Promise<void>;
  setFleetSize(size: number): Promise<void>;
}
