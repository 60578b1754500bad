import type { StagedOtaResult } from '../../domain/rollout/types';
import type { HostedFleet } from '../fleet/hosted';
import type { Until } from './patience';
import type { Witness } from './witness';

/** What the devices themselves say of a rollout, whatever the runbook reports. */
export interface Proof {
  /** That ever switched to the release. */
  switched: number;
  /** That run the version by slots and by telemetry. */
  running: number;
  /** Switches to the release after the runbook said that all was stopped. */
  switchesAfterAbort: number;
  /** From the first device that failed, or the threshold if that came before, until all was stopped; 0 without an abort. */
  abortedAfterMs: number;
}

export interface ProofInput {
  fleet: HostedFleet;
  witness: Witness;
  until: Until;
  /** The release that was rolled out. */
  target: string;
  /** What every device must run in the end. */
  version: string;
  result: StagedOtaResult;
  /** Any failure of a device stops the rollout. */
  firstFailureStops: boolean;
}

export async function proveByDevices(input: ProofInput): Promise<Proof> {
  const { fleet, witness, until, target, version } = input;
  const from = Date.now();
  const things = fleet.devices.map(({ thing }) => thing);
  await until(`telemetry of ${version} from ${things.length} devices`, () =>
    things.every((thing) => witness.since(thing, from) > 0),
  );
  const to = fleet.switches().filter((each) => each.way === 'on' && each.target === target);
  return {
    switched: new Set(to.map(({ thing }) => thing)).size,
    running: fleet.devices.filter(
      (device) =>
        versionOf(device.installed()) === version && witness.of(device.thing).firmware === version,
    ).length,
    switchesAfterAbort: lateSwitches(input, to),
    abortedAfterMs: abortTime(input),
  };
}

/** The factory image says nothing of itself. */
const FACTORY = '1.0.0';
const versionOf = ({ version }: { version: string | null }): string => version ?? FACTORY;

/** By the agents' logs and by what the file system says of the links, whichever sees more. */
function lateSwitches({ fleet, target, result }: ProofInput, to: { at: number }[]): number {
  if (result.abortAcknowledgedAt === null) return 0;
  const acknowledged = Date.parse(result.abortAcknowledgedAt);
  const told = to.filter(({ at }) => at > acknowledged).length;
  const seen = fleet.devices.filter((device) => {
    const installed = device.installed();
    return installed.target === target && installed.since > acknowledged;
  }).length;
  return Math.max(told, seen);
}

function abortTime({ fleet, target, result, firstFailureStops }: ProofInput): number {
  const { abortedAt, abortAcknowledgedAt } = result;
  if (abortedAt === null || abortAcknowledgedAt === null) return 0;
  const failures = fleet
    .switches()
    .filter((each) => firstFailureStops && each.way === 'back' && each.target === target);
  const crossed = Math.min(Date.parse(abortedAt), ...failures.map(({ at }) => at));
  return Date.parse(abortAcknowledgedAt) - crossed;
}
