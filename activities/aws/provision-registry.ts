import {
  AttachPolicyCommand,
  CreatePolicyCommand,
  CreatePolicyVersionCommand,
  CreateThingGroupCommand,
  CreateThingTypeCommand,
  DeletePolicyVersionCommand,
  DeprecateThingTypeCommand,
  DescribeThingGroupCommand,
  DescribeThingTypeCommand,
  GetPolicyCommand,
  ListPolicyVersionsCommand,
  paginateListAttachedPolicies,
  type IoTClient,
} from '@aws-sdk/client-iot';
import { canonicalJson } from '../../domain/provision/diff';
import { ifPresent, type Resource } from '../provision/resource';

export function thingTypeResource(iot: IoTClient, name: string): Resource {
  return {
    kind: 'thing type',
    name,
    desired: () => ({ deprecated: 'false' }),
    read: () =>
      ifPresent(async () => {
        const type = await iot.send(new DescribeThingTypeCommand({ thingTypeName: name }));
        return { deprecated: String(type.thingTypeMetadata?.deprecated ?? false) };
      }),
    async create() {
      const thingTypeProperties = { searchableAttributes: ['site', 'hardware'] };
      await iot.send(new CreateThingTypeCommand({ thingTypeName: name, thingTypeProperties }));
    },
    async update() {
      await iot.send(new DeprecateThingTypeCommand({ thingTypeName: name, undoDeprecate: true }));
    },
  };
}

/** A static thing group; `parent` null: a root. */
export function groupResource(iot: IoTClient, name: string, parent: string | null): Resource {
  const wanted = parent ?? 'none';
  return {
    kind: 'thing group',
    name,
    mends: {
      parent: `AWS can't move a thing group: empty and delete ${name}, then run this again`,
      kind: `${name} is a dynamic group: delete it, then run this again`,
    },
    desired: () => ({ parent: wanted, kind: 'static' }),
    read: () =>
      ifPresent(async () => {
        const group = await iot.send(new DescribeThingGroupCommand({ thingGroupName: name }));
        return {
          parent: group.thingGroupMetadata?.parentGroupName ?? 'none',
          kind: group.queryString === undefined ? 'static' : 'dynamic',
        };
      }),
    async create() {
      await iot.send(
        new CreateThingGroupCommand({
          thingGroupName: name,
          ...(parent !== null && { parentGroupName: parent }),
        }),
      );
    },
    update: () => Promise.resolve(),
  };
}

export function policyResource(iot: IoTClient, name: string, document: string): Resource {
  return {
    kind: 'policy',
    name,
    desired: () => ({ document: canonicalJson(document) }),
    read: () =>
      ifPresent(async () => {
        const { policyDocument } = await iot.send(new GetPolicyCommand({ policyName: name }));
        return { document: canonicalJson(policyDocument ?? '') };
      }),
    async create() {
      await iot.send(new CreatePolicyCommand({ policyName: name, policyDocument: document }));
    },
    async update() {
      await dropOldestVersion(iot, name);
      await iot.send(
        new CreatePolicyVersionCommand({
          policyName: name,
          policyDocument: document,
          setAsDefault: true,
        }),
      );
    },
  };
}

/** A policy has at most five versions: https://docs.aws.amazon.com/iot/latest/apireference/API_CreatePolicyVersion.html */
const MOST_VERSIONS = 5;

async function dropOldestVersion(iot: IoTClient, policyName: string): Promise<void> {
  const { policyVersions = [] } = await iot.send(new ListPolicyVersionsCommand({ policyName }));
  if (policyVersions.length < MOST_VERSIONS) return;
  const [oldest] = policyVersions
    .filter(({ isDefaultVersion }) => isDefaultVersion !== true)
    .sort((a, b) => Number(a.versionId) - Number(b.versionId));
  if (oldest?.versionId === undefined) return;
  const policyVersionId = oldest.versionId;
  await iot.send(new DeletePolicyVersionCommand({ policyName, policyVersionId }));
}

export function policyAttachmentResource(
  iot: IoTClient,
  policyName: string,
  target: string,
): Resource {
  const attach = async (): Promise<void> => {
    await iot.send(new AttachPolicyCommand({ policyName, target }));
  };
  return {
    kind: 'policy attachment',
    name: `${policyName} on ${target}`,
    desired: () => ({ attached: 'true' }),
    async read() {
      const names = await ifPresent(() => attachedPolicies(iot, target));
      return names?.includes(policyName) === true ? { attached: 'true' } : null;
    },
    create: attach,
    update: attach,
  };
}

export async function attachedPolicies(iot: IoTClient, target: string): Promise<string[]> {
  const names: string[] = [];
  for await (const page of paginateListAttachedPolicies({ client: iot }, { target })) {
    names.push(...(page.policies ?? []).flatMap(({ policyName }) => policyName ?? []));
  }
  return names;
}
