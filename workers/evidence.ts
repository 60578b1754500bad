import type { AwsClients } from '../activities/aws/clients';
import { createCloudSources } from '../activities/aws/evidence-sources';
import {
  createChainHeads,
  createEvidenceIntake,
  createEvidenceStore,
} from '../activities/aws/evidence-store';
import type { EvidenceDeps } from '../activities/evidence/deps';
import { evidenceBucket, intakeBucket, recordsBucket } from '../domain/names';
import { loadRunbook } from '../runbooks/load';
import type { WorkerConfig } from './config';

type Shared = Pick<EvidenceDeps, 'jobs' | 'registry' | 'place' | 'now'>;

/** What collecting evidence needs of AWS; the heads of its chains are kept apart from the chains. */
export function evidenceDeps(
  { aws: { accountId, region }, runbooksFolder }: WorkerConfig,
  aws: AwsClients,
  { jobs, registry, place, now }: Shared,
): EvidenceDeps {
  const evidence = evidenceBucket(accountId);
  return {
    store: createEvidenceStore(aws.s3, evidence),
    intake: createEvidenceIntake(aws.s3, { intake: intakeBucket(accountId), evidence, region }),
    heads: createChainHeads(aws.s3, recordsBucket(accountId)),
    sources: createCloudSources(aws),
    jobs,
    registry,
    place,
    now: () => now(),
    loadRunbook: () => loadRunbook(runbooksFolder, 'collectLogs'),
  };
}
