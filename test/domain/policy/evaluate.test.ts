import { describe, expect, it } from '@jest/globals';
import { PolicyDocumentError } from '../../../domain/policy/document';
import { evaluate } from '../../../domain/policy/evaluate';
import type { PolicyRequest } from '../../../domain/policy/types';

const ARN = 'arn:aws:iot:eu-west-1:123456789012:';
const request = (changes: Partial<PolicyRequest> = {}): PolicyRequest => ({
  action: 'iot:Publish',
  resource: `${ARN}topic/dt/pump/telemetry`,
  clientId: 'pump',
  thing: 'pump',
  attached: true,
  ...changes,
});
const document = (...statements: object[]): string =>
  JSON.stringify({ Version: '2012-10-17', Statement: statements });
const allow = (changes: object = {}): object => ({
  Effect: 'Allow',
  Action: 'iot:Publish',
  Resource: `${ARN}topic/dt/*`,
  ...changes,
});
const deny = (changes: object = {}): object => ({ ...allow(changes), Effect: 'Deny' });
const https = { clientId: null, thing: null, attached: false };

describe('evaluate', () => {
  it('denies implicitly what no document allows', () => {
    expect(evaluate([], request())).toBe('implicitDeny');
    expect(evaluate([document(allow({ Action: 'iot:Receive' }))], request())).toBe('implicitDeny');
  });

  it('adds permissions up over documents and lets one Deny win, whatever the order', () => {
    expect(evaluate([document(), document(allow())], request())).toBe('allowed');
    expect(evaluate([document(deny()), document(allow())], request())).toBe('explicitDeny');
    expect(evaluate([document(allow()), document(deny())], request())).toBe('explicitDeny');
  });

  it.each(['iot:*', '*', 'IOT:publish', 'iot:Pub*'])(
    'takes the action %s for iot:Publish',
    (Action) => {
      expect(evaluate([document(allow({ Action }))], request())).toBe('allowed');
    },
  );

  it('accepts one statement outside an array, and arrays of actions and resources', () => {
    const single = JSON.stringify({
      Statement: allow({ Action: ['iot:Connect', 'iot:Publish'], Resource: ['x', '*'] }),
    });
    expect(evaluate([single], request())).toBe('allowed');
  });

  it('takes MQTT wildcards in a policy literally', () => {
    const documents = [document(allow({ Resource: `${ARN}topic/dt/+/telemetry` }))];
    expect(evaluate(documents, request())).toBe('implicitDeny');
    expect(evaluate(documents, request({ resource: `${ARN}topic/dt/+/telemetry` }))).toBe(
      'allowed',
    );
  });

  it('puts the thing name in place of its variable, literally', () => {
    const documents = [
      document(allow({ Resource: `${ARN}topic/dt/\${iot:Connection.Thing.ThingName}/*` })),
    ];
    expect(evaluate(documents, request())).toBe('allowed');
    expect(evaluate(documents, request({ thing: 'other' }))).toBe('implicitDeny');
    expect(evaluate(documents, request({ thing: '*' }))).toBe('implicitDeny');
  });

  it('lets a statement with an unresolved variable match nothing, Allow and Deny alike', () => {
    const Resource = `${ARN}topic/dt/\${iot:Connection.Thing.ThingName}/*`;
    expect(evaluate([document(allow({ Resource }))], request(https))).toBe('implicitDeny');
    expect(evaluate([document(allow(), deny({ Resource }))], request())).toBe('explicitDeny');
    expect(evaluate([document(allow(), deny({ Resource }))], request(https))).toBe('allowed');
  });

  it('does not know thing variables over HTTPS even when the thing is known', () => {
    const Condition = { Bool: { 'iot:Connection.Thing.IsAttached': 'true' } };
    const documents = [document(allow({ Condition }))];
    expect(evaluate(documents, request())).toBe('allowed');
    expect(evaluate(documents, request({ clientId: null }))).toBe('implicitDeny');
    expect(evaluate(documents, request({ attached: false }))).toBe('implicitDeny');
  });

  it.each<[string, object, boolean]>([
    ['StringEquals of the client id', { StringEquals: { 'iot:ClientId': 'pump' } }, true],
    ['StringEquals with another value', { StringEquals: { 'iot:ClientId': ['a', 'b'] } }, false],
    ['StringEquals takes * literally', { StringEquals: { 'iot:ClientId': 'p*' } }, false],
    ['StringLike takes * as a wildcard', { StringLike: { 'iot:ClientId': 'p*' } }, true],
    ['StringNotLike', { StringNotLike: { 'iot:ClientId': 'p*' } }, false],
    ['StringNotEquals', { StringNotEquals: { 'iot:ClientId': 'other' } }, true],
    [
      'a variable in a value',
      { StringEquals: { 'iot:ClientId': '${iot:Connection.Thing.ThingName}' } },
      true,
    ],
    ['Null false of a key that is there', { Null: { 'iot:ClientId': 'false' } }, true],
    ['Null true of a key that is there', { Null: { 'iot:ClientId': 'true' } }, false],
    [
      'a known attribute',
      { StringEquals: { 'iot:Connection.Thing.Attributes[site]': 'north' } },
      true,
    ],
    [
      'a missing attribute',
      { StringEquals: { 'iot:Connection.Thing.Attributes[line]': '1' } },
      false,
    ],
    [
      'a missing attribute, IfExists',
      { StringEqualsIfExists: { 'iot:Connection.Thing.Attributes[line]': '1' } },
      true,
    ],
  ])('judges %s', (_, Condition, holds) => {
    const asked = request({ thingAttributes: { site: 'north' } });
    expect(evaluate([document(allow({ Condition }))], asked)).toBe(
      holds ? 'allowed' : 'implicitDeny',
    );
    expect(evaluate([document(allow(), deny({ Condition }))], asked)).toBe(
      holds ? 'explicitDeny' : 'allowed',
    );
  });

  it.each<[string, object]>([
    ['an unknown operator', { SetEquals: { 'iot:ClientId': 'nobody' } }],
    ['a set operator', { 'ForAnyValue:StringEquals': { 'iot:ClientId': 'nobody' } }],
    ['a key we do not know', { StringEquals: { 'aws:SourceIp': '10.0.0.1' } }],
  ])('counts %s against containment', (_, Condition) => {
    expect(evaluate([document(allow({ Condition }))], request())).toBe('allowed');
    expect(evaluate([document(allow(), deny({ Condition }))], request())).toBe('allowed');
  });

  it('reads a variable of unknown value as anything in an Allow and as nothing in a Deny', () => {
    const Resource = `${ARN}topic/dt/\${iot:Certificate.Subject.CommonName}/*`;
    expect(evaluate([document(allow({ Resource }))], request())).toBe('allowed');
    expect(evaluate([document(allow(), deny({ Resource }))], request())).toBe('allowed');
  });

  it('understands NotAction and NotResource of other people’s policies', () => {
    const others = { Effect: 'Allow', NotAction: 'iot:Connect', NotResource: `${ARN}topic/dt/*` };
    expect(evaluate([document(others)], request())).toBe('implicitDeny');
    expect(evaluate([document(others)], request({ resource: `${ARN}topic/x` }))).toBe('allowed');
    const denied = { Effect: 'Deny', Action: '*', NotResource: `${ARN}topic/cmd/*` };
    expect(evaluate([document(allow(), denied)], request())).toBe('explicitDeny');
  });

  it.each([
    ['', /not JSON/],
    ['[]', /malformed/],
    ['null', /malformed/],
    ['{"Statement":[{"Effect":"allow"}]}', /Statement.*Effect/],
    ['{"Statement":[{"Effect":"Allow","Action":7}]}', /Statement/],
  ])('refuses %s, naming what is wrong', (text, message) => {
    expect(() => evaluate([text], request())).toThrow(PolicyDocumentError);
    expect(() => evaluate([text], request())).toThrow(message);
  });
});
