import {
  CreateBucketCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketPolicyCommand,
  GetObjectLockConfigurationCommand,
  GetPublicAccessBlockCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutPublicAccessBlockCommand,
  type BucketLocationConstraint,
  type S3Client,
} from '@aws-sdk/client-s3';
import { evidenceBucket, intakeBucket, NAMES } from '../../domain/names';
import type { Place } from '../../domain/policy/types';
import { rulesTrust } from '../../domain/provision/desired';
import { canonical, canonicalJson } from '../../domain/provision/diff';
import {
  evidencePolicy,
  INTAKE_EXPIRY_DAYS,
  intakePolicy,
  uploadPermissions,
} from '../../domain/provision/evidence';
import type { Fields } from '../../domain/provision/types';
import { isAwsError } from '../failure';
import type { Resource } from '../provision/resource';
import type { AwsClients } from './clients';
import { bucketResource } from './provision-data';
import { roleResource } from './provision-messaging';

/** The intake, the locked bucket behind it, and the role that upload URLs are signed as. */
export function evidenceResources({ s3, iam }: AwsClients, place: Place): Resource[] {
  const { accountId, region } = place;
  const intake = { bucket: intakeBucket(accountId), policy: intakePolicy(place) };
  const evidence = { bucket: evidenceBucket(accountId), policy: evidencePolicy(place) };
  return [
    privateBucket(s3, { ...intake, region, locked: false, expiresAfterDays: INTAKE_EXPIRY_DAYS }),
    privateBucket(s3, { ...evidence, region, locked: true, expiresAfterDays: null }),
    roleResource(iam, {
      name: NAMES.uploadRole,
      trust: rulesTrust(place),
      permissions: uploadPermissions(place),
    }),
  ];
}

interface BucketShape {
  bucket: string;
  region: string;
  policy: object;
  /** Object lock, and so versions: an object that is deleted or written over is still there. */
  locked: boolean;
  expiresAfterDays: number | null;
}

function privateBucket(s3: S3Client, shape: BucketShape): Resource {
  const { bucket, policy, locked, expiresAfterDays } = shape;
  const plain = bucketResource(s3, bucket, shape.region);
  const desired: Fields = {
    owner: 'us',
    objectLock: locked ? 'on' : 'off',
    expires: expiresAfterDays === null ? 'never' : `${expiresAfterDays} days`,
    policy: canonical(policy),
    publicAccess: 'blocked',
  };
  return {
    ...plain,
    mends: {
      ...plain.mends,
      objectLock: `copy what is in ${bucket}, delete it, then run this again: it must be made with ${locked ? '' : 'no '}object lock`,
    },
    desired: () => desired,
    read: async () => {
      const owned = await plain.read();
      if (owned?.['owner'] !== 'us') return owned;
      const [objectLock, expires, found, publicAccess] = await Promise.all([
        lockOf(s3, bucket),
        expiryOf(s3, bucket),
        policyOf(s3, bucket),
        accessOf(s3, bucket),
      ]);
      return { ...owned, objectLock, expires, policy: found, publicAccess };
    },
    async create() {
      const LocationConstraint = shape.region as BucketLocationConstraint;
      await s3.send(
        new CreateBucketCommand({
          Bucket: bucket,
          ObjectLockEnabledForBucket: locked,
          ...(shape.region !== 'us-east-1' && {
            CreateBucketConfiguration: { LocationConstraint },
          }),
        }),
      );
      await this.update(['publicAccess', 'expires', 'policy']);
    },
    async update(fields) {
      if (fields.includes('publicAccess')) await blockPublicAccess(s3, bucket);
      if (fields.includes('expires') && expiresAfterDays !== null)
        await expireAfter(s3, bucket, expiresAfterDays);
      if (fields.includes('policy'))
        await s3.send(
          new PutBucketPolicyCommand({ Bucket: bucket, Policy: desired['policy'] ?? '' }),
        );
    },
  };
}

/** `absent` where S3 says that nothing of the kind is configured. */
async function configured(read: () => Promise<string>, absent: string): Promise<string> {
  try {
    return await read();
  } catch (err) {
    if (isAwsError(err, ...NOT_CONFIGURED)) return absent;
    throw err;
  }
}

const NOT_CONFIGURED = [
  'NoSuchLifecycleConfiguration',
  'NoSuchBucketPolicy',
  'ObjectLockConfigurationNotFoundError',
  'NoSuchPublicAccessBlockConfiguration',
];

const lockOf = (s3: S3Client, Bucket: string): Promise<string> =>
  configured(async () => {
    const found = await s3.send(new GetObjectLockConfigurationCommand({ Bucket }));
    return found.ObjectLockConfiguration?.ObjectLockEnabled === 'Enabled' ? 'on' : 'off';
  }, 'off');

const expiryOf = (s3: S3Client, Bucket: string): Promise<string> =>
  configured(async () => {
    const { Rules } = await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
    const days = Rules?.filter(({ Status }) => Status === 'Enabled').map(
      ({ Expiration }) => Expiration?.Days,
    );
    return days?.length === 1 && days[0] !== undefined ? `${days[0]} days` : 'otherwise';
  }, 'never');

const policyOf = (s3: S3Client, Bucket: string): Promise<string> =>
  configured(async () => {
    const { Policy } = await s3.send(new GetBucketPolicyCommand({ Bucket }));
    return canonicalJson(Policy ?? '');
  }, 'none');

const accessOf = (s3: S3Client, Bucket: string): Promise<string> =>
  configured(async () => {
    const found = await s3.send(new GetPublicAccessBlockCommand({ Bucket }));
    const all = { ...OPEN, ...found.PublicAccessBlockConfiguration };
    return Object.values(all).every((blocked) => blocked) ? 'blocked' : 'open';
  }, 'open');

const OPEN = {
  BlockPublicAcls: false,
  IgnorePublicAcls: false,
  BlockPublicPolicy: false,
  RestrictPublicBuckets: false,
};

async function blockPublicAccess(s3: S3Client, Bucket: string): Promise<void> {
  const blocked = Object.fromEntries(Object.keys(OPEN).map((each) => [each, true]));
  await s3.send(
    new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: blocked }),
  );
}

async function expireAfter(s3: S3Client, Bucket: string, Days: number): Promise<void> {
  const rule = {
    ID: 'expire',
    Status: 'Enabled' as const,
    Filter: { Prefix: '' },
    Expiration: { Days },
  };
  await s3.send(
    new PutBucketLifecycleConfigurationCommand({
      Bucket,
      LifecycleConfiguration: { Rules: [rule] },
    }),
  );
}
