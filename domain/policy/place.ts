import type { Place } from './types';

/** The partition follows from the region. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html */
export const placeOf = (region: string, accountId: string): Place => ({
  partition: partitionOf(region),
  region,
  accountId,
});

export function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}
