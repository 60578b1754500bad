import { createContainmentRecords } from '../activities/aws/containment-records';
import type { AwsClients } from '../activities/aws/clients';
import { createGuardTable } from '../activities/aws/guard-table';
import { createIotConnections } from '../activities/aws/iot-connections';
import { createIotJobs } from '../activities/aws/iot-jobs';
import { createIotLogging } from '../activities/aws/iot-logging';
import { createIotRegistry } from '../activities/aws/iot-registry';
import { createProbeTable } from '../activities/aws/probe-table';
import { createEvidenceActivities } from '../activities/evidence';
import { approverKeysFromFile } from '../activities/guard/approver-keys';
import { createGuard } from '../activities/guard/guard';
import { createIntakeActivities, type IntakeDeps } from '../activities/intake';
import type { QuarantineDeps } from '../activities/quarantine/deps';
import { createReconcileActivities } from '../activities/reconcile';
import { createQuarantineActivities } from '../activities/quarantine';
import { createRolloutActivities } from '../activities/rollout';
import { NAMES, recordsBucket } from '../domain/names';
import { placeOf } from '../domain/policy/place';
import { loadRunbook } from '../runbooks/load';
import type { WorkerConfig } from './config';
import { evidenceDeps } from './evidence';
import { rolloutDeps } from './rollout';
import type { RunFinder } from './runbook-starter';

/** Wires every activity to AWS, by the queue it belongs on. */
export function wireActivities(
  config: WorkerConfig,
  aws: AwsClients,
  runs: IntakeDeps & RunFinder,
) {
  const now = () => Date.now();
  const deps: QuarantineDeps = {
    registry: createIotRegistry(aws.iot),
    connections: createIotConnections(aws.iotData),
    logging: createIotLogging(aws.iot, aws.logs),
    jobs: createIotJobs(aws.iot),
    records: createContainmentRecords(aws.s3, recordsBucket(config.aws.accountId)),
    probes: createProbeTable(aws.dynamo, NAMES.probeTable),
    guard: createGuard({
      table: createGuardTable(aws.dynamo, config.guardTable),
      approverKeys: approverKeysFromFile(config.approversFile),
      now,
    }),
    place: placeOf(config.aws.region, config.aws.accountId),
    loadRunbook: () => loadRunbook(config.runbooksFolder, 'quarantine'),
    now,
  };
  const quarantine = createQuarantineActivities(deps);
  const rollout = createRolloutActivities(rolloutDeps(config, aws, deps));
  const evidence = createEvidenceActivities(evidenceDeps(config, aws, deps));
  return {
    evidence: evidence.evidence,
    runbooks: { ...quarantine.runbooks, ...rollout.runbooks, ...evidence.runbooks },
    ship: { ...quarantine.ship, ...evidence.ship },
    watch: { ...quarantine.watch, ...evidence.watch },
    rollout: rollout.rollout,
    contain: { ...quarantine.contain, ...createReconcileActivities({ ...deps, ...runs }) },
    read: { ...quarantine.read, ...rollout.read, ...createIntakeActivities(runs) },
  };
}
