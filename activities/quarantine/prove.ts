import { telemetryTopic, dataPrefix } from '../../domain/device-protocol/topics';
import { quarantineId, quarantineJobId } from '../../domain/ids';
import { NAMES } from '../../domain/names';
import { policyArn } from '../../domain/policy/documents';
import { evaluate } from '../../domain/policy/evaluate';
import { residualAllows } from '../../domain/policy/residual';
import type { ContainmentProof, ContainmentSnapshot } from '../../domain/quarantine/types';
import { isTerminal } from '../aws/iot-jobs';
import { isoTime, thingArn, type ContainmentDeps, type QuarantineDeps } from './deps';

/**
 * Whether the documents that apply to the device now deny what it could publish: by MQTT, where those of its groups count too,
 * and by HTTPS, where only the certificate's own do. Reads only.
 */
export async function deniedByDocuments(deps: ContainmentDeps, thing: string): Promise<boolean> {
  const [groups, certificates, quarantine] = await Promise.all([
    deps.registry.groupsOf(thing),
    deps.registry.certificatesOf(thing),
    deps.registry.policyDocument(NAMES.quarantinePolicy),
  ]);
  if (!groups.includes(NAMES.quarantineGroup)) return false;
  const denied = await Promise.all(
    certificates.map((arn) => certificateIsDenied(deps, thing, arn, quarantine)),
  );
  return denied.every(Boolean);
}

async function certificateIsDenied(
  deps: ContainmentDeps,
  thing: string,
  arn: string,
  quarantine: string,
): Promise<boolean> {
  const [effective, own] = await Promise.all([
    deps.registry.effectivePolicies(thing, arn),
    deps.registry.policiesOf(arn),
  ]);
  const { place } = deps;
  const publish = {
    action: 'iot:Publish',
    resource: policyArn(place, `topic/${telemetryTopic(thing)}`),
  };
  const overMqtt = { ...publish, clientId: thing, thing, attached: true };
  const overHttps = { ...publish, clientId: null, thing: null, attached: false };
  const all = effective.map(({ document }) => document);
  const ownDocuments = effective
    .filter(({ policy }) => own.includes(policy))
    .map(({ document }) => document);
  return (
    evaluate(all, overMqtt) === 'explicitDeny' &&
    evaluate(ownDocuments, overHttps) === 'explicitDeny' &&
    residualAllows({ documents: effective, quarantine, thing, place }).length === 0
  );
}

/** Whether a watch may change something now; at stop it only looks. */
type MayAct = () => Promise<boolean>;
const always: MayAct = () => Promise.resolve(true);

/** Whether the session that was live before the Deny is gone; drops it again where it is not. */
export async function sessionIsGone(
  deps: ContainmentDeps,
  { thing, connection }: ContainmentSnapshot,
  mayAct = always,
): Promise<boolean> {
  if (!connection.connected) return true;
  const now = await deps.connections.get(thing);
  if (!now.connected || now.connectedSince !== connection.connectedSince) return true;
  if (await mayAct()) await deps.connections.drop(thing);
  return false;
}

export interface RefusalSeen {
  at: string;
  by: NonNullable<ContainmentProof['refusalSeenBy']>;
}

/** One probe after the other; an object because a look continues where the one before stopped. */
export interface ProbeSeries {
  kind: 'probe' | 'reprobe';
  runId: string;
  number: number;
  /** When the device's answer was first read (epoch milliseconds). */
  answeredAt?: number;
}

/** A nonce that arrived may take this long through the rule into the table. */
const SETTLE_MS = 3000;

type ProbeAnswer = 'waiting' | 'refused' | 'arrived' | 'unanswered';

/**
 * Over the still-open Jobs path the agent is asked to publish a nonce on its normal topic; whether it arrives is read from the
 * table that the probe rule fills, since the device's own word proves nothing. Safe to retry: job id and nonce are functions
 * of run and number, and an answered probe is read, not sent again.
 */
async function askProbe(
  deps: QuarantineDeps,
  thing: string,
  series: ProbeSeries,
  mayAct: MayAct,
): Promise<ProbeAnswer> {
  const { kind, runId, number } = series;
  const jobId = quarantineJobId(`${kind}-${number}`, runId);
  const nonce = `${kind}-${number}-${runId}`;
  const execution = await deps.jobs.execution(jobId, thing);
  if (execution === null) {
    if (!(await mayAct())) return 'waiting';
    await deps.jobs.create(jobId, thingArn(deps, thing), {
      version: 1,
      requestedBy: quarantineId(thing),
      operation: 'probe',
      nonce,
    });
    return 'waiting';
  }
  if (await deps.probes.arrived(nonce)) return 'arrived';
  if (!isTerminal(execution.status)) return 'waiting';
  series.answeredAt ??= deps.now();
  if (deps.now() < series.answeredAt + SETTLE_MS) return 'waiting';
  const outcome = execution.statusDetails['probe'];
  return outcome === 'refused' || outcome === 'disconnected' ? 'refused' : 'unanswered';
}

function next(series: ProbeSeries): void {
  series.number += 1;
  delete series.answeredAt;
}

/**
 * One look for an observed refusal: IoT logs first (the broker's word), then the probe. A probe that arrives means that the
 * broker still acts on the old policy (AWS: 6 to 8 minutes): the session is dropped again and the next look asks anew.
 */
export async function lookForRefusal(
  deps: QuarantineDeps,
  thing: string,
  deniedAt: string,
  { series, mayAct }: { series: ProbeSeries; mayAct: MayAct },
): Promise<RefusalSeen | undefined> {
  const logged = await deps.logging.firstRefusal(thing, dataPrefix(thing), Date.parse(deniedAt));
  if (logged !== null) return { at: isoTime(logged), by: 'iotLogs' };
  const answer = await askProbe(deps, thing, series, mayAct);
  if (answer === 'refused') return { at: isoTime(deps.now()), by: 'probe' };
  if (answer === 'arrived' && (await mayAct())) await deps.connections.drop(thing);
  if (answer !== 'waiting') next(series);
  return undefined;
}

/** One look for proof that a released device can publish again. */
export async function lookForAcceptance(
  deps: QuarantineDeps,
  thing: string,
  series: ProbeSeries,
): Promise<string | undefined> {
  const answer = await askProbe(deps, thing, series, always);
  if (answer === 'arrived') return isoTime(deps.now());
  if (answer !== 'waiting') next(series);
  return undefined;
}
