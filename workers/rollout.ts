import { ApplicationFailure } from '@temporalio/activity';
import type { AwsClients } from '../activities/aws/clients';
import { createDeviceShadows } from '../activities/aws/device-shadows';
import { createFleetIndex } from '../activities/aws/fleet-index';
import { createMetrics } from '../activities/aws/metrics';
import { createPager } from '../activities/aws/pager';
import { createQuotas } from '../activities/aws/quotas';
import { s3Store } from '../activities/aws/release-store';
import { createRolloutJobs } from '../activities/aws/rollout-jobs';
import { createRolloutStore } from '../activities/aws/rollout-store';
import { createScopedAlarms } from '../activities/aws/scoped-alarms';
import { createWaveGroups } from '../activities/aws/wave-groups';
import type { QuarantineDeps } from '../activities/quarantine/deps';
import { createReleaseList } from '../activities/release/list';
import type { ReleaseList, RolloutDeps } from '../activities/rollout/deps';
import { NAMES, recordsBucket } from '../domain/names';
import { topicArn } from '../domain/provision/desired';
import { loadRunbook } from '../runbooks/load';
import type { WorkerConfig } from './config';

type Shared = Pick<QuarantineDeps, 'guard' | 'place' | 'now'>;

/** What a rollout's activities need of AWS, of the release repository and of the guard that all runbooks share. */
export function rolloutDeps(
  config: WorkerConfig,
  aws: AwsClients,
  { guard, place, now }: Shared,
): RolloutDeps {
  return {
    index: createFleetIndex(aws.iot),
    jobs: createRolloutJobs(aws.iot),
    groups: createWaveGroups(aws.iot),
    store: createRolloutStore(aws.s3, recordsBucket(config.aws.accountId)),
    shadows: createDeviceShadows(aws.iotData),
    alarms: createScopedAlarms(aws.cloudwatch),
    metrics: createMetrics(aws.cloudwatch),
    quotas: createQuotas(aws.quotas, now),
    releases: releaseList(config, now),
    pager: createPager(aws.sns, topicArn(place, NAMES.pageTopic)),
    guard,
    place,
    loadRunbook: () => loadRunbook(config.runbooksFolder, 'stagedOta'),
    now,
  };
}

function releaseList({ releases, aws }: WorkerConfig, now: () => number): ReleaseList {
  if (releases === undefined) return { list: () => Promise.reject(noRepository()) };
  const { from, rootFile } = releases;
  const { region, endpoint } = aws;
  return createReleaseList({
    rootFile,
    from:
      'url' in from
        ? from
        : s3Store({ ...from, region, ...(endpoint !== undefined && { endpoint }) }),
    now,
  });
}

const noRepository = (): ApplicationFailure =>
  ApplicationFailure.nonRetryable(
    'release: this worker knows no release repository: set RELEASES_FROM (an http(s) URL or s3://bucket/prefix) and RELEASES_ROOT (the root.json that devices are shipped with)',
    'InvalidInput',
    [{ field: 'release', problem: 'RELEASES_FROM and RELEASES_ROOT of the worker must be set' }],
  );
