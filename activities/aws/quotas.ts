import {
  GetAWSDefaultServiceQuotaCommand,
  GetServiceQuotaCommand,
  type ServiceQuotasClient,
} from '@aws-sdk/client-service-quotas';
import { isAwsError } from '../failure';
import type { Quotas } from '../rollout/deps';

/** Calls per second of an account: https://docs.aws.amazon.com/general/latest/gr/iot_device_management.html */
const DOCUMENTED = { createJob: 10, describeJob: 10, addThingToThingGroup: 100, searchIndex: 15 };
type Call = keyof typeof DOCUMENTED;

/** Service Quotas has no code of its own for DescribeJob that we know. */
const CODES: Partial<Record<Call, string>> = {
  createJob: 'L-23F244D4',
  addThingToThingGroup: 'L-2904683A',
  searchIndex: 'L-908D0FBE',
};
/** Where those codes are listed; an account sees them under one or the other. */
const SERVICES = ['iotdevicemanagement', 'iotcore'];
/** Others use the account, too. */
const OUR_SHARE = 0.5;
const LIVE_FOR_MS = 10 * 60_000;
const DOCUMENTED_FOR_MS = 2 * 60_000;

/**
 * Half of the account's quotas. A plan must not fail for want of this: where Service Quotas does not answer, or may not be
 * asked, the documented values stand in, and the plan says so.
 */
export function createQuotas(client: ServiceQuotasClient, now: () => number) {
  let kept: { until: number; quotas: Promise<Quotas> } | null = null;
  return (): Promise<Quotas> => {
    if (kept !== null && now() < kept.until) return kept.quotas;
    const mine = { until: now() + LIVE_FOR_MS, quotas: readQuotas(client) };
    kept = mine;
    void mine.quotas.then(({ source }) => {
      if (source === 'documented') mine.until = now() + DOCUMENTED_FOR_MS;
    });
    return mine.quotas;
  };
}

async function readQuotas(client: ServiceQuotasClient): Promise<Quotas> {
  const perSecond = { ...DOCUMENTED };
  try {
    for (const [call, code] of Object.entries(CODES) as [Call, string][])
      perSecond[call] = await readQuota(client, code);
  } catch {
    return { ...share(DOCUMENTED), source: 'documented' };
  }
  return { ...share(perSecond), source: 'live' };
}

const share = (perSecond: Record<Call, number>): Record<Call, number> => ({
  createJob: perSecond.createJob * OUR_SHARE,
  describeJob: perSecond.describeJob * OUR_SHARE,
  addThingToThingGroup: perSecond.addThingToThingGroup * OUR_SHARE,
  searchIndex: perSecond.searchIndex * OUR_SHARE,
});

/** The account's own value, or else what every account begins with. */
async function readQuota(client: ServiceQuotasClient, QuotaCode: string): Promise<number> {
  for (const ServiceCode of SERVICES)
    for (const command of [
      () => client.send(new GetServiceQuotaCommand({ ServiceCode, QuotaCode })),
      () => client.send(new GetAWSDefaultServiceQuotaCommand({ ServiceCode, QuotaCode })),
    ])
      try {
        const { Quota } = await command();
        if (Quota?.Value !== undefined && Quota.Value > 0) return Quota.Value;
      } catch (err) {
        if (!isAwsError(err, 'NoSuchResourceException')) throw err;
      }
  throw new Error(`Service Quotas knows no ${QuotaCode}`);
}
