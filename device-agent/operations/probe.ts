import type { ProbeOutcome } from '../../domain/device-protocol/job-document';
import type { Endpoint, PublishOutcome } from '../connection/types';
import type { Operation, OperationOutcome } from './types';

export interface ProbeDependencies {
  protocolVersion: Endpoint['protocolVersion'];
  /** Publishes one telemetry message that carries the nonce, on the normal topic, contained or not. */
  publishProbe: (nonce: string) => Promise<PublishOutcome>;
}

/**
 * Tried once: an MQTT 3.1.1 broker answers a refused publish by closing the connection, and a probe repeated
 * after each reconnect would never end. Only that closing is `disconnected`. Whatever else says neither yes nor no,
 * a probe that an earlier life started too, is `unanswered`: the cloud takes the other words for proof, and asks
 * again after this one.
 */
export function createProbe(deps: ProbeDependencies): Operation<'probe'> {
  const closesOnRefusal = deps.protocolVersion === 4;
  return {
    lane: 'beside',
    run: async ({ nonce }, { startedBefore }) => {
      if (startedBefore) return finished('unanswered', 'interrupted');
      return report(await deps.publishProbe(nonce), closesOnRefusal);
    },
  };
}

function report(outcome: PublishOutcome, closesOnRefusal: boolean): OperationOutcome {
  switch (outcome.kind) {
    case 'accepted':
      return finished('accepted', '0');
    case 'refused':
      return finished('refused', String(outcome.reasonCode));
    case 'disconnected':
      return outcome.byBroker
        ? finished(closesOnRefusal ? 'disconnected' : 'unanswered', 'connection closed')
        : finished('unanswered', 'connection lost');
    case 'unanswered':
      return finished('unanswered', 'no answer');
    case 'held':
      return finished('unanswered', 'not connected');
  }
}

/** The job succeeds whatever the broker says: its work is to find out. */
function finished(probe: ProbeOutcome, reasonCode: string): OperationOutcome {
  return { status: 'SUCCEEDED', details: { probe, reasonCode } };
}
