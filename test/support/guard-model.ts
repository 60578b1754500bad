import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { signApproval } from '../../activities/guard/approval-token';
import type { ApproverKey } from '../../activities/guard/approver-keys';
import { createGuard } from '../../activities/guard/guard';
import { initialiseGuard } from '../../activities/guard/initialise';
import type { GuardTable } from '../../activities/guard/table';
import type { Guard, Lease } from '../../domain/guard/types';

/** What several runbooks, people and the clock do to one guard, in random order. */
export type Act =
  | { act: 'reserve'; owner: string; things: string[] }
  | { act: 'adopt'; owner: string; things: string[] }
  | { act: 'confirm' | 'giveBack' | 'mayAct'; owner: string; lease: number }
  /** People approve at once, then the runbook asks. */
  | { act: 'approve'; owner: string; things: string[]; by: string[] }
  | { act: 'switch'; state: 'run' | 'stop' }
  | { act: 'fleet'; size: number };

/** The acts of one round run at the same time; then time passes. */
export interface Round<A = Act> {
  acts: A[];
  passMs: number;
}

const owner = fc.constantFrom('run-1', 'run-2', 'run-3', 'run-4');
export const plain = fc.constantFrom(...Array.from('abcdefghijklmnopqrst'));
const WRONG_SELECTORS: string[][] = [[], ['*'], ['a', '*'], [''], ['a/#']];
const things = fc.oneof(
  { weight: 12, arbitrary: fc.uniqueArray(plain, { minLength: 1, maxLength: 3 }) },
  { weight: 1, arbitrary: fc.constantFrom(...WRONG_SELECTORS) },
);
const lease = fc.nat({ max: 3 });

export const anAct: fc.Arbitrary<Act> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ act: fc.constant('reserve'), owner, things }) },
  {
    weight: 8,
    arbitrary: fc.record({
      act: fc.constantFrom('confirm', 'confirm', 'giveBack', 'giveBack', 'mayAct'),
      owner,
      lease,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      act: fc.constant('approve'),
      owner,
      things,
      by: fc.array(fc.constantFrom('ada', 'bob', 'eve'), { minLength: 1, maxLength: 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      act: fc.constant('switch'),
      state: fc.constantFrom('run', 'run', 'stop'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ act: fc.constant('fleet'), size: fc.constantFrom(0, 12, 300, 1_500) }),
  },
);
export const anAdoption: fc.Arbitrary<Act> = fc.record({
  act: fc.constant('adopt'),
  owner,
  things: fc.uniqueArray(plain, { minLength: 1, maxLength: 3 }),
});

export const rounds = <A>(act: fc.Arbitrary<A>, size: { rounds: number; acts: number }) =>
  fc.array(
    fc.record({
      acts: fc.array(act, { minLength: 1, maxLength: size.acts }),
      passMs: fc.constantFrom(0, 1, 20_000, 60_000, 600_000),
    }),
    { minLength: 1, maxLength: size.rounds },
  );

const PEOPLE = new Map(['ada', 'bob', 'eve'].map((name) => [name, keyPair(name)]));
const EXPECTED_FAILURES = new Set([
  'GuardStopped',
  'LeaseLost',
  'ApprovalRejected',
  'NothingSelected',
]);

/** A lease that ran out while time went on; the next attempt begins anew. */
const LAPSED_AT_WORK = /lapsed while its things were taken/;

export interface Signature {
  by: string;
  workflowId: string;
  at: number;
}

/** A guard under test with what its users remember. */
export class GuardModel {
  now = 1_700_000_000_000;
  readonly granted: Lease[] = [];
  readonly signatures: Signature[] = [];
  /** Why reservations were refused where others held a thing. */
  readonly heldByOthers: string[] = [];
  readonly guard: Guard;
  private readonly leases = new Map<string, Lease[]>();

  constructor(private readonly table: GuardTable) {
    this.guard = createGuard({
      table,
      approverKeys: () => Promise.resolve([...PEOPLE.values()].map((pair) => pair.publicKey)),
      now: () => this.now,
      pause: () => Promise.resolve(),
    });
  }

  async start(fleetSize: number): Promise<void> {
    await initialiseGuard(this.table, () => this.now);
    await this.guard.setFleetSize(fleetSize);
  }

  /** Refusals are part of the game; a failure that the contract does not name is not. */
  play(act: Act): Promise<void> {
    return this.allowing(() => this.attempt(act));
  }

  protected async allowing(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (err) {
      const type = err instanceof Error && 'type' in err ? String(err.type) : '';
      const message = err instanceof Error ? err.message : '';
      if (!EXPECTED_FAILURES.has(type) && !LAPSED_AT_WORK.test(message)) throw err;
    }
  }

  private async attempt(act: Act): Promise<void> {
    switch (act.act) {
      case 'reserve':
        return this.reserve(act);
      case 'adopt':
        this.remember(await this.guard.adopt({ ...scopeOf(act), things: act.things }));
        return;
      case 'confirm':
        return this.guard.confirm(this.leaseOf(act));
      case 'giveBack':
        return this.guard.giveBack(this.leaseOf(act));
      case 'mayAct':
        return this.guard.assertMayAct(this.leaseOf(act));
      case 'approve':
        await Promise.all(act.by.map((by) => this.approve(act, by)));
        return this.reserve(act);
      case 'switch':
        return this.guard.setSwitch({ state: act.state, reason: 'test', by: 'test' });
      case 'fleet':
        return this.guard.setFleetSize(act.size);
    }
  }

  private async reserve(act: { owner: string; things: string[] }): Promise<void> {
    const result = await this.guard.reserve({ ...scopeOf(act), things: act.things });
    if (result.granted) this.remember(result.lease);
    else if (result.reason === 'leased') this.heldByOthers.push(result.explanation);
  }

  private async approve(act: { owner: string; things: string[] }, by: string): Promise<void> {
    const { workflowId, targetHash } = scopeOf(act);
    const pair = PEOPLE.get(by);
    if (pair === undefined) throw new Error(`no key of ${by}`);
    const { privateKey } = pair;
    const signed = { approver: by, privateKey, workflowId, targetHash, nowMs: this.now };
    const token = await signApproval(signed);
    this.signatures.push({ by, workflowId, at: this.now });
    await this.guard.approve({ workflowId, targetHash, token });
  }

  private remember(lease: Lease): void {
    this.granted.push(lease);
    this.leases.set(lease.owner, [lease, ...(this.leases.get(lease.owner) ?? [])]);
  }

  /** Also an old lease, as a late retry would hold it, or one that never was. */
  private leaseOf(act: { owner: string; lease: number }): Lease {
    const none = { owner: act.owner, fence: 1, things: ['a'] };
    return this.leases.get(act.owner)?.[act.lease] ?? none;
  }
}

const scopeOf = (act: { owner: string; things: string[] }) => ({
  owner: act.owner,
  workflowId: act.owner,
  targetHash: `hash of ${[...act.things].sort().join()}`,
});

function keyPair(kid: string) {
  const { x = '', d = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const publicKey: ApproverKey = { kty: 'OKP', crv: 'Ed25519', x, kid };
  return { publicKey, privateKey: { ...publicKey, d } };
}
