import { describe, expect, it } from '@jest/globals';
import {
  devicePolicy,
  policyArn,
  policySize,
  quarantinePolicy,
} from '../../../domain/policy/documents';
import { lintQuarantine } from '../../../domain/policy/lint';
import type { LintRule, Place } from '../../../domain/policy/types';

const place: Place = { partition: 'aws', region: 'eu-west-1', accountId: '123456789012' };
const device = devicePolicy(place);
const quarantine = quarantinePolicy(place);

interface Draft {
  Effect: string;
  Action: string | string[];
  Resource: string[];
  Condition?: object;
  [element: string]: unknown;
}
type Edit = (statements: Draft[]) => Draft[];
const edited = (text: string, edit: Edit): string => {
  const parsed = JSON.parse(text) as { Statement: Draft[] };
  return JSON.stringify({ ...parsed, Statement: edit(parsed.Statement) });
};
const rules = (deviceText: string, quarantineText: string): LintRule[] => [
  ...new Set(lintQuarantine(deviceText, quarantineText, place).map(({ rule }) => rule)),
];
const without =
  (unwanted: string): Edit =>
  (statements) =>
    statements.map((statement) => ({
      ...statement,
      Resource: statement.Resource.filter((resource) => !resource.includes(unwanted)),
    }));
const unconditional = (statement: Draft): Draft => ({ ...statement, Condition: {} });
const extra =
  (Action: string, resource: string): Edit =>
  (statements) => [
    ...statements,
    {
      Effect: 'Allow',
      Action,
      Resource: [policyArn(place, resource)],
      Condition: { Bool: { 'iot:Connection.Thing.IsAttached': 'true' } },
    },
  ];

describe('lintQuarantine', () => {
  it('passes the policies that provisioning makes, in every partition', () => {
    for (const each of [
      place,
      { partition: 'aws-cn', region: 'cn-northwest-1', accountId: '123456789012' },
      { partition: 'aws-us-gov', region: 'us-gov-west-1', accountId: '123456789012' },
    ]) {
      expect(lintQuarantine(devicePolicy(each), quarantinePolicy(each), each)).toEqual([]);
    }
  });

  it.each<[string, LintRule, string, string]>([
    [
      'NotResource',
      'elements',
      device,
      edited(quarantine, ([first, ...rest]) => [
        { ...(first as Draft), NotResource: ['x'] },
        ...rest,
      ]),
    ],
    ['text that is not JSON', 'elements', 'nonsense', quarantine],
    ['a document that is not one', 'elements', device, '{"Statement":7}'],
    [
      'more than 2,048 characters',
      'size',
      device,
      edited(quarantine, extra('iot:Publish', `topic/dt/${'x'.repeat(2048)}`)),
    ],
    [
      'any client id',
      'client-id',
      edited(device, (all) => [
        ...all,
        { Effect: 'Allow', Action: 'iot:Connect', Resource: [policyArn(place, 'client/*')] },
      ]),
      quarantine,
    ],
    [
      'an Allow without IsAttached',
      'attached-only',
      edited(device, (all) => all.map(unconditional)),
      quarantine,
    ],
    [
      'a quarantine Allow without IsAttached',
      'attached-only',
      device,
      edited(quarantine, (all) => all.map(unconditional)),
    ],
    [
      'a device that may not publish telemetry',
      'device-works',
      edited(device, without('topic/dt/')),
      quarantine,
    ],
    [
      'a Deny by policy variable',
      'deny-literal',
      device,
      quarantine.replaceAll('topic/dt/*', 'topic/dt/${iot:Connection.Thing.ThingName}/*'),
    ],
    [
      'a Deny by condition',
      'deny-literal',
      device,
      edited(quarantine, ([first, ...rest]) => [
        { ...(first as Draft), Condition: { Bool: { 'iot:Connection.Thing.IsAttached': 'true' } } },
        ...rest,
      ]),
    ],
    [
      'a namespace that the Deny forgets',
      'deny-complete',
      device,
      edited(quarantine, without('/cmd/')),
    ],
    [
      'a device Allow beyond the Deny',
      'deny-complete',
      edited(device, extra('iot:Publish', 'topic/factory/*')),
      quarantine,
    ],
    [
      'foreign Jobs topics',
      'deny-complete',
      device,
      edited(quarantine, extra('iot:Publish', 'topic/$aws/things/*/jobs/*')),
    ],
    [
      'basic ingest left open',
      'deny-over-https',
      device,
      edited(quarantine, without('$aws/rules')),
    ],
    [
      'named shadows left open',
      'deny-over-https',
      device,
      quarantine.replaceAll('shadow/*', 'shadow/update'),
    ],
    [
      'credentials left open',
      'credentials',
      device,
      quarantine.replace('iot:AssumeRoleWithCertificate', 'iot:Nothing'),
    ],
    [
      'a Deny of everything',
      'jobs-open',
      device,
      edited(quarantine, (all) => [
        ...all,
        { Effect: 'Deny', Action: 'iot:*', Resource: [policyArn(place, 'topic/*')] },
      ]),
    ],
    [
      'no Allow of its own',
      'jobs-open',
      device,
      edited(quarantine, (all) => all.filter(({ Effect }) => Effect === 'Deny')),
    ],
  ])('finds %s', (_, rule, deviceText, quarantineText) => {
    expect(rules(deviceText, quarantineText)).toContain(rule);
  });

  it('says which document is at fault, and how to mend it', () => {
    const [finding] = lintQuarantine(
      edited(device, extra('iot:Publish', 'topic/factory/*')),
      quarantine,
      place,
    );
    expect(finding).toMatchObject({ rule: 'deny-complete', document: 'device' });
    expect(finding?.message).toContain('topic/factory/');
    expect(finding?.fix).not.toBe('');
  });

  it('keeps a margin under AWS’s limit', () => {
    expect(policySize('{ "a":\n 1 }')).toBe('{"a":1}'.length);
    expect(policySize(device)).toBeLessThan(2000);
    expect(policySize(quarantine)).toBeLessThan(2000);
  });
});
