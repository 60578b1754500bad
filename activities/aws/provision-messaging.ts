import {
  CreateRoleCommand,
  GetRoleCommand,
  GetRolePolicyCommand,
  PutRolePolicyCommand,
  UpdateAssumeRolePolicyCommand,
  type IAMClient,
} from '@aws-sdk/client-iam';
import {
  CreateTopicCommand,
  GetTopicAttributesCommand,
  paginateListSubscriptionsByTopic,
  SetTopicAttributesCommand,
  SubscribeCommand,
  type SNSClient,
} from '@aws-sdk/client-sns';
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  SetQueueAttributesCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { canonical, canonicalJson } from '../../domain/provision/diff';
import { ifPresent, type Resource } from '../provision/resource';

export const queueUrl = (sqs: SQSClient, QueueName: string): Promise<string | null> =>
  ifPresent(async () => {
    const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName }));
    return QueueUrl ?? null;
  });

/** Half a minute of work per message, four days of patience. */
const QUEUE_ATTRIBUTES = { VisibilityTimeout: '30', MessageRetentionPeriod: '345600' };

export function queueResource(sqs: SQSClient, name: string, policy: object): Resource {
  const attributes = { ...QUEUE_ATTRIBUTES, Policy: canonical(policy) };
  return {
    kind: 'queue',
    name,
    desired: () => attributes,
    async read() {
      const QueueUrl = await queueUrl(sqs, name);
      if (QueueUrl === null) return null;
      const { Attributes } = await sqs.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }),
      );
      return { ...Attributes, Policy: canonicalJson(Attributes?.['Policy'] ?? '') };
    },
    async create() {
      await sqs.send(new CreateQueueCommand({ QueueName: name, Attributes: attributes }));
    },
    async update(fields) {
      const QueueUrl = (await queueUrl(sqs, name)) ?? '';
      const changed = Object.entries(attributes).filter(([field]) => fields.includes(field));
      await sqs.send(
        new SetQueueAttributesCommand({ QueueUrl, Attributes: Object.fromEntries(changed) }),
      );
    },
  };
}

export interface RoleShape {
  name: string;
  trust: object;
  permissions: object;
}

/** A role with one inline policy of its own name. */
export function roleResource(iam: IAMClient, { name, trust, permissions }: RoleShape): Resource {
  const putPermissions = async (): Promise<void> => {
    await iam.send(
      new PutRolePolicyCommand({
        RoleName: name,
        PolicyName: name,
        PolicyDocument: canonical(permissions),
      }),
    );
  };
  return {
    kind: 'role',
    name,
    desired: () => ({ trust: canonical(trust), permissions: canonical(permissions) }),
    read: () =>
      ifPresent(async () => {
        const { Role } = await iam.send(new GetRoleCommand({ RoleName: name }));
        const inline = await ifPresent(() =>
          iam.send(new GetRolePolicyCommand({ RoleName: name, PolicyName: name })),
        );
        return {
          trust: decoded(Role?.AssumeRolePolicyDocument),
          permissions: decoded(inline?.PolicyDocument),
        };
      }),
    async create() {
      const AssumeRolePolicyDocument = canonical(trust);
      await iam.send(new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument }));
      await putPermissions();
    },
    async update(fields) {
      if (fields.includes('trust')) {
        const PolicyDocument = canonical(trust);
        await iam.send(new UpdateAssumeRolePolicyCommand({ RoleName: name, PolicyDocument }));
      }
      if (fields.includes('permissions')) await putPermissions();
    },
  };
}

/** IAM hands documents out percent-encoded (RFC 3986). */
function decoded(document: string | undefined): string {
  if (document === undefined) return 'none';
  return canonicalJson(document.startsWith('%7B') ? decodeURIComponent(document) : document);
}

/** Messages signed with SHA-256: the webhook takes no other. */
export function topicResource(sns: SNSClient, name: string, TopicArn: string): Resource {
  return {
    kind: 'topic',
    name,
    desired: () => ({ SignatureVersion: '2' }),
    read: () =>
      ifPresent(async () => {
        const { Attributes } = await sns.send(new GetTopicAttributesCommand({ TopicArn }));
        return { SignatureVersion: Attributes?.['SignatureVersion'] ?? '1' };
      }),
    async create() {
      await sns.send(new CreateTopicCommand({ Name: name, Attributes: { SignatureVersion: '2' } }));
    },
    async update() {
      await sns.send(
        new SetTopicAttributesCommand({
          TopicArn,
          AttributeName: 'SignatureVersion',
          AttributeValue: '2',
        }),
      );
    },
  };
}

/** The webhook confirms it when SNS asks; until then it stands as pending, which is not a difference. */
export function subscriptionResource(sns: SNSClient, TopicArn: string, url: string): Resource {
  const subscribe = async (): Promise<void> => {
    const Protocol = new URL(url).protocol.replace(':', '');
    await sns.send(new SubscribeCommand({ TopicArn, Protocol, Endpoint: url }));
  };
  return {
    kind: 'subscription',
    name: url,
    desired: () => ({ subscribed: 'true' }),
    read: () =>
      ifPresent(async () => {
        for await (const page of paginateListSubscriptionsByTopic({ client: sns }, { TopicArn })) {
          const found = page.Subscriptions?.some(({ Endpoint }) => Endpoint === url);
          if (found === true) return { subscribed: 'true' };
        }
        return null;
      }),
    create: subscribe,
    update: subscribe,
  };
}
