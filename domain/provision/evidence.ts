import { evidenceBucket, intakeBucket } from '../names';
import type { Place } from '../policy/types';

/** Bundles wait here for their copy; a device that returns after a week is asked anew. */
export const INTAKE_EXPIRY_DAYS = 7;

const bucketArn = ({ partition }: Place, bucket: string): string =>
  `arn:${partition}:s3:::${bucket}`;

const onlyByTls = (bucket: string) => ({
  Effect: 'Deny',
  Principal: '*',
  Action: 's3:*',
  Resource: [bucket, `${bucket}/*`],
  Condition: { Bool: { 'aws:SecureTransport': 'false' } },
});

/**
 * What is here is never written over: an upload that does not ask for an absent object is refused, and so is one in
 * parts. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
 */
export function intakePolicy(place: Place) {
  const bucket = bucketArn(place, intakeBucket(place.accountId));
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Deny',
        Principal: '*',
        Action: 's3:PutObject',
        Resource: `${bucket}/*`,
        Condition: { Null: { 's3:if-none-match': 'true' } },
      },
    ],
  };
}

/** Nothing here is deleted or made to expire. Whoever must has to take this policy off first, which CloudTrail tells. */
export function evidencePolicy(place: Place) {
  const bucket = bucketArn(place, evidenceBucket(place.accountId));
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Deny',
        Principal: '*',
        Action: ['s3:DeleteObject', 's3:DeleteObjectVersion', 's3:PutLifecycleConfiguration'],
        Resource: [bucket, `${bucket}/*`],
      },
      onlyByTls(bucket),
    ],
  };
}

/** Puts into the intake and nothing else; AWS IoT Jobs signs upload URLs as this role. */
export const uploadPermissions = (place: Place) => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Action: 's3:PutObject',
      Resource: `${bucketArn(place, intakeBucket(place.accountId))}/logs/*`,
    },
  ],
});
