import type { Place } from './types';

/**
 * The two policies that provisioning makes. Only Effect, Action, Resource and Condition: `NotAction` and `NotResource`
 * are not documented for AWS IoT. AWS's limit is 2,048 characters without white space:
 * https://docs.aws.amazon.com/general/latest/gr/iot-core.html
 */
export const MAX_POLICY_CHARACTERS = 2048;

const THING = '${iot:Connection.Thing.ThingName}';
const ATTACHED = { Bool: { 'iot:Connection.Thing.IsAttached': 'true' } };

export const policyArn = (place: Place, resource: string): string =>
  `arn:${place.partition}:iot:${place.region}:${place.accountId}:${resource}`;

/** Publishing here is all that a device needs to run jobs, and all it may publish while contained. */
const jobsPublishes = (thing: string): string[] =>
  ['get', 'start-next', '*/get', '*/update'].map(
    (leaf) => `topic/$aws/things/${thing}/jobs/${leaf}`,
  );
const jobsListens = (thing: string): string[] => [
  `topicfilter/$aws/things/${thing}/jobs/*`,
  `topic/$aws/things/${thing}/jobs/*`,
];

/**
 * What a healthy device may do. Every Allow asks for `IsAttached`, so that a client id other than the thing's name,
 * and HTTPS, which has none, get nothing and a Deny on the thing's groups can't be walked round.
 */
export function devicePolicy(place: Place): string {
  const shadow = `$aws/things/${THING}/shadow`;
  return document(place, [
    allow('iot:Connect', [`client/${THING}`]),
    allow('iot:Publish', [
      `topic/dt/${THING}/*`,
      `topic/${shadow}/update`,
      `topic/${shadow}/get`,
      ...jobsPublishes(THING),
    ]),
    allow(
      ['iot:Subscribe', 'iot:Receive'],
      [
        `topicfilter/cmd/${THING}/*`,
        `topic/cmd/${THING}/*`,
        `topicfilter/${shadow}/*`,
        `topic/${shadow}/*`,
        ...jobsListens(THING),
      ],
    ),
  ]);
}

/**
 * Denies every namespace that a device may use but Jobs, and grants the agent's own Jobs topics, so that a device
 * whose own policies were detached still takes jobs. The Deny names literal namespaces and has no condition: it
 * holds on a certificate too, over HTTPS, where thing variables do not exist. Evidence goes up by presigned URL.
 */
export function quarantinePolicy(place: Place): string {
  return document(place, [
    {
      Effect: 'Deny',
      Action: 'iot:*',
      Resource: ['dt/*', 'cmd/*', '$aws/things/*/shadow/*', '$aws/rules/*'].flatMap((namespace) => [
        `topic/${namespace}`,
        `topicfilter/${namespace}`,
      ]),
    },
    {
      Effect: 'Deny',
      Action: [
        'iot:AssumeRoleWithCertificate',
        'iot:GetThingShadow',
        'iot:UpdateThingShadow',
        'iot:DeleteThingShadow',
      ],
      Resource: ['*'],
    },
    allow('iot:Connect', [`client/${THING}`]),
    allow('iot:Publish', jobsPublishes(THING)),
    allow(['iot:Subscribe', 'iot:Receive'], jobsListens(THING)),
  ]);
}

interface DraftStatement {
  Effect: 'Allow' | 'Deny';
  Action: string | string[];
  Resource: string[];
  Condition?: typeof ATTACHED;
}

const allow = (action: string | string[], resources: string[]): DraftStatement => ({
  Effect: 'Allow',
  Action: action,
  Resource: resources,
  Condition: ATTACHED,
});

const document = (place: Place, statements: DraftStatement[]): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: statements.map((statement) => ({
      ...statement,
      Resource: statement.Resource.map((resource) =>
        resource === '*' ? resource : policyArn(place, resource),
      ),
    })),
  });

/** As AWS counts: white space is free. */
export const policySize = (text: string): number => text.replace(/\s/g, '').length;
