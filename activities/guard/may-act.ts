import { ApplicationFailure } from '@temporalio/activity';
import type { Guard, Lease } from '../../domain/guard/types';
import { GUARD_FAILURES } from './failures';

const WAITS: (string | null | undefined)[] = [GUARD_FAILURES.stopped, GUARD_FAILURES.unreachable];

/** For watches, which go on looking while they may not act. A lost lease is thrown: waiting does not bring it back. */
export async function mayAct({ guard }: { guard: Guard }, lease: Lease): Promise<boolean> {
  try {
    await guard.assertMayAct(lease);
    return true;
  } catch (err) {
    if (err instanceof ApplicationFailure && WAITS.includes(err.type)) return false;
    throw err;
  }
}
