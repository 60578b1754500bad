import type { ProbeOutcome } from '../../domain/device-protocol/job-document';
import type { PublishOutcome } from '../connection/types';
import type { Operation, OperationOutcome } from './types';

export interface ProbeDependencies {
  /** Publishes one telemetry message that carries the nonce, on the normal topic, contained or not. */
  publishProbe: (nonce: string) => Promise<PublishOutcome>;
}

/**
 * Tried once: an MQTT 3.1.1 broker answers a refused publish by closing the connection, and a probe repeated
 * after each reconnect would never end. One that an earlier life or connection started is reported as
 * `disconnected`, which is what happened to it.
 */
export function createProbe(deps: ProbeDependencies): Operation<'probe'> {
  return {
    lane: 'beside',
    run: async ({ nonce }, { startedBefore }) => {
      if (startedBefore) return finished('disconnected', 'connection closed');
      return report(await deps.publishProbe(nonce));
    },
  };
}

function report(outcome: PublishOutcome): OperationOutcome {
  switch (outcome.kind) {
    case 'accepted':
      return finished('accepted', '0');
    case 'refused':
      return finished('refused', String(outcome.reasonCode));
    case 'disconnected':
      return finished('disconnected', 'connection closed');
    case 'unanswered':
      return finished('disconnected', 'no answer');
    case 'held':
      return finished('disconnected', 'not connected');
  }
}

/** The job succeeds whatever the broker says: its work is to find out. */
function finished(probe: ProbeOutcome, reasonCode: string): OperationOutcome {
  return { status: 'SUCCEEDED', details: { probe, reasonCode } };
}
