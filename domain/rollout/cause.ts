import type { Reported } from './reported.schema';
import type { FailureCause } from './types';

/** How an execution ended, as far as AWS Jobs and the device tell. */
export interface FailedExecution {
  /** Of the execution: FAILED, REJECTED, TIMED_OUT … */
  status: string;
  /** `step` and `reason` are the agent's; empty where it never reported. */
  details: Record<string, string>;
  /** The device's own record, for an execution that was ended for it. */
  reported?: Reported | null;
}

/**
 * By the step in which it went wrong. From the switch on it is put down to the release, even where the device lost its
 * connection: that may be what the release does, and another try would be another switch.
 */
const CAUSES: Readonly<Record<string, FailureCause>> = {
  fetching: 'network',
  installing: 'install',
  installed: 'refused',
  activating: 'install',
  rebooting: 'health',
  starting: 'health',
  confirming: 'health',
  committing: 'install',
};

/** Words of the agent that tell more than the step does. */
const TELLING: readonly (readonly [RegExp, FailureCause])[] = [
  [/^the disk is full\b/, 'install'],
  [/^interrupted too often\b/, 'health'],
  [
    /^not switched at the commit gate: (the device was offline|the Jobs service gave no answer)/,
    'network',
  ],
  [/^not switched at the commit gate\b/, 'refused'],
];

/**
 * Why an installation failed. What nobody told counts as health, which is never tried again: better to leave a device
 * as it is than to try on it what may have broken it.
 */
export function causeOf({ status, details, reported = null }: FailedExecution): FailureCause {
  const update = reported?.update ?? null;
  if (status === 'REJECTED' || update?.outcome === 'REJECTED') return 'refused';
  const reason = details['reason'] ?? update?.reason ?? null;
  const telling = TELLING.find(([words]) => reason !== null && words.test(reason));
  if (telling !== undefined) return telling[1];
  const { step } = details;
  if (step !== undefined) return (Object.hasOwn(CAUSES, step) && CAUSES[step]) || 'health';
  return status === 'FAILED' && failedBeforeItsFirstStep(details) ? 'network' : 'health';
}

/** The agent names the target and no step where it could not read the release repository. */
const failedBeforeItsFirstStep = ({ target, reason }: Record<string, string>): boolean =>
  target !== undefined && reason !== undefined;
