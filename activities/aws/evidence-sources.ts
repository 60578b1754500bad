import {
  DescribeCertificateCommand,
  DescribeThingCommand,
  GetEffectivePoliciesCommand,
  ListAttachedPoliciesCommand,
  ListJobExecutionsForThingCommand,
  ListPrincipalThingsCommand,
  ListThingGroupsForThingCommand,
  ListThingPrincipalsCommand,
} from '@aws-sdk/client-iot';
import {
  GetConnectionCommand,
  GetThingShadowCommand,
  ListNamedShadowsForThingCommand,
} from '@aws-sdk/client-iot-data-plane';
import type { CloudSource } from '../evidence/deps';
import { isAwsError } from '../failure';
import type { AwsClients } from './clients';
import { observationSources } from './evidence-observations';

/** AWS allows 10 principals of most things that are devices; more are told and not read. */
const MAX_CERTIFICATES = 10;
const MAX_SHADOWS = 10;
const PAGE = 100;

/** What was read, and a sentence where there is more than one page of it. */
const firstPage = (token: string | undefined, what: string): string[] =>
  token === undefined ? [] : [`there are more ${what} than ${PAGE}; the rest was not read`];

/**
 * What the registry, the shadow service, Jobs and CloudWatch say of one device, one call or a few a kind. Pages are bounded
 * where they could be many, and what was left is told.
 */
export const createCloudSources = (clients: AwsClients): CloudSource[] => [
  thing(clients),
  groups(clients),
  certificates(clients),
  effectivePolicies(clients),
  shadows(clients),
  presence(clients),
  jobs(clients),
  ...observationSources(clients),
];

const thing = ({ iot }: AwsClients): CloudSource => ({
  what: 'thing',
  async read({ thing: thingName, signal }) {
    const { $metadata, ...data } = await iot.send(new DescribeThingCommand({ thingName }), {
      abortSignal: signal,
    });
    return { data: { ...data, requestId: $metadata.requestId }, partial: [] };
  },
});

const groups = ({ iot }: AwsClients): CloudSource => ({
  what: 'groups',
  async read({ thing: thingName, signal }) {
    const { thingGroups, nextToken } = await iot.send(
      new ListThingGroupsForThingCommand({ thingName, maxResults: PAGE }),
      { abortSignal: signal },
    );
    return { data: thingGroups ?? [], partial: firstPage(nextToken, 'groups') };
  },
});

async function principalsOf(
  { iot }: AwsClients,
  thingName: string,
  abortSignal: AbortSignal,
): Promise<{ arns: string[]; partial: string[] }> {
  const { principals = [] } = await iot.send(
    new ListThingPrincipalsCommand({ thingName, maxResults: PAGE }),
    { abortSignal },
  );
  const arns = principals.filter((arn) => arn.includes(':cert/')).sort();
  const left = arns.length - MAX_CERTIFICATES;
  const partial = left > 0 ? [`${left} more certificates were not read`] : [];
  return { arns: arns.slice(0, MAX_CERTIFICATES), partial };
}

const certificates = (clients: AwsClients): CloudSource => ({
  what: 'certificates',
  async read({ thing: thingName, signal: abortSignal }) {
    const { iot } = clients;
    const { arns, partial } = await principalsOf(clients, thingName, abortSignal);
    const data = [];
    for (const arn of arns) {
      const certificateId = arn.slice(arn.indexOf('/') + 1);
      const [described, attached, things] = await Promise.all([
        iot.send(new DescribeCertificateCommand({ certificateId }), { abortSignal }),
        iot.send(new ListAttachedPoliciesCommand({ target: arn, pageSize: PAGE }), {
          abortSignal,
        }),
        iot.send(new ListPrincipalThingsCommand({ principal: arn, maxResults: PAGE }), {
          abortSignal,
        }),
      ]);
      partial.push(...firstPage(things.nextToken, 'things of one certificate'));
      const { certificateDescription: certificate } = described;
      data.push({ arn, certificate, policies: attached.policies, things: things.things });
    }
    return { data, partial };
  },
});

const effectivePolicies = (clients: AwsClients): CloudSource => ({
  what: 'effective-policies',
  async read({ thing: thingName, signal: abortSignal }) {
    const { arns, partial } = await principalsOf(clients, thingName, abortSignal);
    const data = [];
    for (const principal of arns) {
      const { effectivePolicies: policies } = await clients.iot.send(
        new GetEffectivePoliciesCommand({ thingName, principal }),
        { abortSignal },
      );
      data.push({ principal, policies });
    }
    return { data, partial };
  },
});

const shadows = ({ iotData }: AwsClients): CloudSource => ({
  what: 'shadow',
  async read({ thing: thingName, signal: abortSignal }) {
    const { results = [], nextToken } = await iotData.send(
      new ListNamedShadowsForThingCommand({ thingName, pageSize: MAX_SHADOWS }),
      { abortSignal },
    );
    const data: { name: string | null; document: unknown }[] = [];
    for (const name of [null, ...results.slice(0, MAX_SHADOWS)]) {
      const command = new GetThingShadowCommand({
        thingName,
        ...(name !== null && { shadowName: name }),
      });
      const document = await orNull(async () => {
        const { payload } = await iotData.send(command, { abortSignal });
        return Buffer.from(payload ?? []).toString('utf8');
      });
      // The device wrote most of it: kept as the text it is, with its version.
      data.push({ name, document });
    }
    return { data, partial: nextToken === undefined ? [] : ['there are more named shadows'] };
  },
});

const presence = ({ iotData }: AwsClients): CloudSource => ({
  what: 'presence',
  async read({ thing: clientId, signal: abortSignal }) {
    const connection = await orNull(async () => {
      const { $metadata, ...found } = await iotData.send(new GetConnectionCommand({ clientId }), {
        abortSignal,
      });
      return { ...found, requestId: $metadata.requestId };
    });
    return { data: { connection }, partial: [] };
  },
});

const jobs = ({ iot }: AwsClients): CloudSource => ({
  what: 'jobs',
  async read({ thing: thingName, signal: abortSignal }) {
    const { executionSummaries, nextToken } = await iot.send(
      new ListJobExecutionsForThingCommand({ thingName, maxResults: PAGE }),
      { abortSignal },
    );
    return { data: executionSummaries ?? [], partial: firstPage(nextToken, 'job executions') };
  },
});

async function orNull<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (err) {
    if (isAwsError(err, 'ResourceNotFoundException')) return null;
    throw err;
  }
}
