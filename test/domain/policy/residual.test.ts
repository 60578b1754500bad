import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DEVICE_ACTIONS, openPath } from '../../../domain/policy/actions';
import { devicePolicy, policyArn, quarantinePolicy } from '../../../domain/policy/documents';
import { evaluate } from '../../../domain/policy/evaluate';
import { glob, globMatches } from '../../../domain/policy/glob';
import { clientIdRuleHolds, residualAllows } from '../../../domain/policy/residual';
import type { Connection, Place, ResidualAllow } from '../../../domain/policy/types';

const place: Place = { partition: 'aws', region: 'eu-west-1', accountId: '123456789012' };
const quarantine = quarantinePolicy(place);
const NAME = '${iot:Connection.Thing.ThingName}';
const ATTACHED = { Bool: { 'iot:Connection.Thing.IsAttached': 'true' } };

const allow = (
  action: string | string[],
  resource: string | string[],
  condition?: object,
): object => ({
  Effect: 'Allow',
  Action: action,
  Resource: [resource].flat().map((each) => (each === '*' ? each : policyArn(place, each))),
  ...(condition && { Condition: condition }),
});
const document = (...Statement: object[]): string => JSON.stringify({ Statement });
const residuals = (...documents: string[]): ResidualAllow[] =>
  residualAllows({
    documents: documents.map((text, i) => ({ policy: `p${i}`, document: text })),
    quarantine,
    thing: 'pump',
    place,
  });

describe('residualAllows', () => {
  it('finds nothing in the policies that provisioning makes', () => {
    expect(residuals(devicePolicy(place), quarantine)).toEqual([]);
  });

  it('finds a wide-open policy and names a request that would get through', () => {
    const found = residuals(devicePolicy(place), document(allow('iot:*', '*')));
    expect(new Set(found.map(({ policy }) => policy))).toEqual(new Set(['p1']));
    const publish = found.find(({ action }) => action === 'iot:Publish');
    expect(publish?.witness?.resource).toMatch(/^arn:aws:iot:eu-west-1:123456789012:topic\//);
  });

  it.each([
    ['a namespace of its own', allow('iot:Publish', 'topic/factory/*', ATTACHED)],
    ['a wildcard before the denied part', allow('iot:Publish', 'topic/*/telemetry', ATTACHED)],
    ['another device’s jobs', allow('iot:Publish', 'topic/$aws/things/*/jobs/*', ATTACHED)],
    ['a shared subscription', allow('iot:Subscribe', 'topicfilter/$share/*', ATTACHED)],
    ['an action we do not know', allow('iot:SomethingNew', `topic/$aws/things/pump/jobs/*`)],
    ['any client id', allow('iot:Connect', 'client/*')],
    ['any thing’s name as client id', allow('iot:Connect', `client/${NAME}`)],
    ['NotResource', { Effect: 'Allow', Action: 'iot:Publish', NotResource: 'x' }],
  ])('finds %s', (_, statement) => {
    expect(residuals(document(statement))).not.toEqual([]);
  });

  it.each([
    ['what the Deny covers', allow('iot:*', ['topic/dt/*', 'topicfilter/cmd/a/*'])],
    ['named shadows', allow('iot:Publish', `topic/$aws/things/${NAME}/shadow/name/*`)],
    ['its own jobs', allow('iot:Publish', `topic/$aws/things/${NAME}/jobs/*`, ATTACHED)],
    ['its own connection', allow('iot:Connect', `client/${NAME}`, ATTACHED)],
    ['credentials', allow('iot:AssumeRoleWithCertificate', '*')],
    ['a Deny', { ...allow('*', '*'), Effect: 'Deny' }],
  ])('leaves %s alone', (_, statement) => {
    expect(residuals(document(statement))).toEqual([]);
  });

  it('reads the client id as the thing’s name only where the documents bind it', () => {
    const jobs = allow('iot:Publish', 'topic/$aws/things/${iot:ClientId}/jobs/*');
    const bound = allow('iot:Connect', `client/${NAME}`, ATTACHED);
    expect(residuals(document(jobs, bound))).toEqual([]);
    expect(residuals(document(jobs, allow('iot:Connect', 'client/*')))).toContainEqual(
      expect.objectContaining({ action: 'iot:Publish' }),
    );
  });

  it('relies on no Deny that has a condition or a variable', () => {
    const widened = (changes: object): string =>
      document({ ...allow('iot:*', 'topic/x/*'), Effect: 'Deny', ...changes });
    const ask = (text: string): ResidualAllow[] =>
      residualAllows({
        documents: [{ policy: 'p', document: document(allow('iot:Publish', 'topic/x/pump')) }],
        quarantine: text,
        thing: 'pump',
        place,
      });
    expect(ask(widened({}))).toEqual([]);
    expect(ask(widened({ Condition: ATTACHED }))).toHaveLength(1);
    expect(ask(widened({ Resource: policyArn(place, `topic/x/${NAME}`) }))).toHaveLength(1);
  });
});

const segment = fc.constantFrom(
  'dt',
  'cmd',
  'pump',
  'other',
  '*',
  '?',
  NAME,
  '$aws/things',
  'jobs',
  'shadow',
  'x',
);
const resource = fc
  .tuple(
    fc.constantFrom('topic', 'topicfilter', 'client', 'thing', '*'),
    fc.array(segment, { minLength: 1, maxLength: 4 }),
  )
  .map(([kind, parts]) => [kind, ...parts].join('/'));
const action = fc.oneof(
  fc.constantFrom(...Object.keys(DEVICE_ACTIONS)),
  fc.constantFrom('iot:*', 'iot:Pub*', '*', 'iot:?ubscribe'),
);
const statement = fc
  .tuple(
    fc.array(action, { minLength: 1, maxLength: 2 }),
    fc.array(resource, { minLength: 1, maxLength: 2 }),
    fc.boolean(),
  )
  .map(([actions, resources, attached]) =>
    allow(actions, resources, attached ? ATTACHED : undefined),
  );
const documents = fc.array(
  fc.array(statement, { minLength: 1, maxLength: 2 }).map((all) => document(...all)),
  {
    minLength: 1,
    maxLength: 2,
  },
);
/** Mostly harmless ones too, or hardly any sample would be free of residuals. */
const tame = fc.constantFrom(
  devicePolicy(place),
  document(allow('iot:*', ['topic/dt/*', 'topicfilter/dt/*'])),
  document(allow(['iot:Connect'], `client/${NAME}`, ATTACHED)),
  document(allow('iot:Publish', `topic/$aws/things/${NAME}/shadow/*`)),
);
const concrete = fc
  .tuple(
    fc.constantFrom(...Object.keys(DEVICE_ACTIONS)),
    fc.constantFrom('dt/', 'cmd/', '$aws/things/', '$aws/rules/', ''),
    fc.array(fc.constantFrom('pump', 'other', 'jobs', 'shadow', 'x', '+', '#'), {
      minLength: 1,
      maxLength: 4,
    }),
  )
  .map(([name, namespace, parts]) => {
    const kind = (DEVICE_ACTIONS[name] ?? '*').replace('*', '');
    return { action: name, resource: policyArn(place, `${kind}${namespace}${parts.join('/')}`) };
  });
const own: Connection = { clientId: 'pump', thing: 'pump', attached: true };
const stranger: Connection = { clientId: 'other', thing: 'other', attached: false };
const https: Connection = { clientId: null, thing: null, attached: false };

const isOpen = (asked: { action: string; resource: string }): boolean =>
  (openPath('pump')[asked.action] ?? []).some((pattern) =>
    globMatches(glob(policyArn(place, pattern)), asked.resource),
  );

describe('residualAllows over generated policies', () => {
  it('when empty, nothing beyond the open path is allowed', () => {
    let proven = 0;
    let open = 0;
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            { weight: 3, arbitrary: tame },
            { weight: 1, arbitrary: statement.map((one) => document(one)) },
          ),
          { minLength: 1, maxLength: 3 },
        ),
        fc.array(concrete, { minLength: 20, maxLength: 20 }),
        (texts, requests) => {
          if (residuals(...texts).length > 0) return;
          proven++;
          for (const asked of requests) {
            for (const connection of [own, stranger, https]) {
              const decision = evaluate([...texts, quarantine], { ...connection, ...asked });
              if (isOpen(asked)) open++;
              else if (connection === stranger && asked.action !== 'iot:Connect') continue;
              else expect({ asked, decision }).not.toMatchObject({ decision: 'allowed' });
            }
          }
        },
      ),
      { numRuns: 150 },
    );
    expect(proven).toBeGreaterThan(20);
    expect(open).toBeGreaterThan(0);
  });

  it('when not empty, the witness is a request that is allowed', () => {
    let witnessed = 0;
    fc.assert(
      fc.property(documents, (texts) => {
        for (const { witness } of residuals(...texts)) {
          if (witness === null) throw new Error('policies this small are decided');
          witnessed++;
          expect(isOpen(witness)).toBe(false);
          const name = /client\/(.*)$/.exec(witness.resource)?.[1] ?? 'other';
          const candidates = [
            own,
            stranger,
            https,
            { clientId: name, thing: name, attached: false },
          ];
          const decisions = candidates.map((connection) =>
            evaluate([...texts, quarantine], { ...connection, ...witness }),
          );
          if (texts.join('').includes(NAME)) continue;
          expect(decisions).toContain('allowed');
        }
      }),
      { numRuns: 80 },
    );
    expect(witnessed).toBeGreaterThan(100);
  });
});

describe('clientIdRuleHolds', () => {
  const holds = (...statements: object[]): boolean =>
    clientIdRuleHolds([document(...statements)], { thing: 'pump', place });

  it('holds where only an attached thing may connect under its own name', () => {
    expect(clientIdRuleHolds([devicePolicy(place), quarantine], { thing: 'pump', place })).toBe(
      true,
    );
    expect(holds(allow('iot:Connect', 'client/pump'))).toBe(true);
    expect(holds(allow('iot:Publish', '*'))).toBe(true);
  });

  it.each([
    ['any client id', allow('iot:Connect', '*')],
    ['a prefix', allow('iot:*', 'client/pump*')],
    ['its own client id, whatever it is', allow('iot:Connect', 'client/${iot:ClientId}')],
    ['the name of any registered thing', allow('iot:Connect', `client/${NAME}`)],
  ])('does not hold for %s', (_, statement) => {
    expect(holds(statement)).toBe(false);
  });

  it('takes a Deny into account', () => {
    const deny = { ...allow('iot:Connect', 'client/pump-*'), Effect: 'Deny' };
    expect(holds(allow('iot:Connect', 'client/pump-?'), deny)).toBe(true);
  });
});
