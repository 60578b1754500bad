import { describe, expect, it } from '@jest/globals';
import { NAMES } from '../../../domain/names';
import { duplicateSideEffects, type LedgerCall } from '../../../local/proxies/ledger';

type Step = Partial<LedgerCall> & Pick<LedgerCall, 'operation' | 'input'>;

function played(steps: Step[]): string[] {
  const calls = steps.map((step, index) => ({
    index,
    at: 1000 + index,
    service: 'iot',
    target: null,
    output: {},
    status: 200,
    error: null,
    ...step,
  }));
  return duplicateSideEffects(calls).map(
    ({ resource, first, again }) => `${resource} @${first}>${again}`,
  );
}

const group = { thingName: 't1', thingGroupName: NAMES.quarantineGroup };
const add: Step = { operation: 'AddThingToThingGroup', input: group };
const remove: Step = { operation: 'RemoveThingFromThingGroup', input: group };
const policy = { policyName: 'deny', target: 'cert-1' };
const attach: Step = { operation: 'AttachPolicy', input: policy };
const detach: Step = { operation: 'DetachPolicy', input: policy };
const certificate = (newStatus: string): Step => ({
  operation: 'UpdateCertificate',
  input: { certificateId: 'c1', newStatus },
});
const RUN = '11111111-2222-3333-4444-555555555555';
const OTHER_RUN = '99999999-2222-3333-4444-555555555555';
const job = (jobId: string, operation = 'contain'): Step => ({
  operation: 'CreateJob',
  input: { jobId, targets: ['arn:thing/t1'], document: JSON.stringify({ operation }) },
});
const drop: Step = { operation: 'DeleteConnection', input: { clientId: 't1' }, service: 'iotdata' };
const session = (connectedSince: number): Step => ({
  operation: 'GetConnection',
  input: { clientId: 't1' },
  output: { connected: true, connectedSince },
  service: 'iotdata',
});
const level = (logLevel: string): Step => ({
  operation: 'SetV2LoggingLevel',
  target: 'CLIENT_ID→t1',
  input: { logLevel },
});
const clearLevel: Step = {
  operation: 'DeleteV2LoggingLevel',
  target: 'CLIENT_ID→t1',
  input: {},
};
const counterItem = (count: number) => ({
  pk: { S: 'guard' },
  sk: { S: 'counter' },
  body: { S: JSON.stringify({ count, fence: 1 }) },
});
const readCounter = (count: number): Step => ({
  service: 'dynamodb',
  operation: 'TransactGetItems',
  input: {},
  output: { Responses: [{ Item: counterItem(count) }] },
});
const writeCounter = (count: number, owner: string): Step => ({
  service: 'dynamodb',
  operation: 'TransactWriteItems',
  input: {
    TransactItems: [
      { Put: { Item: counterItem(count) } },
      { Put: { Item: { pk: { S: 'reservation' }, sk: { S: owner } } } },
    ],
  },
});
const failed = (step: Step, error: string): Step => ({ ...step, status: 409, error });

const MEMBER = `t1 in group ${NAMES.quarantineGroup}`;

describe('no duplicate', () => {
  it.each<[string, Step[]]>([
    ['nothing at all', []],
    ['a containment and its release', [add, attach, drop, remove, detach]],
    ['adding a member again', [add, add, add]],
    ['attaching again', [attach, attach]],
    ['removing what is not there', [remove, remove]],
    ['a job that already exists', [job(`q-contain-${RUN}`), job(`q-contain-${RUN}`)]],
    [
      'a second job that AWS refused',
      [job(`q-contain-${RUN}`), failed(job(`q-contain-${OTHER_RUN}`), 'LimitExceededException')],
    ],
    ['jobs of different steps', [job(`q-contain-${RUN}`), job(`q-resume-${RUN}`, 'resume')]],
    ['an add that AWS never carried out', [add, remove, { ...add, status: null }]],
    ['a certificate set INACTIVE again', [certificate('INACTIVE'), certificate('INACTIVE')]],
    ['a certificate INACTIVE and back', [certificate('INACTIVE'), certificate('ACTIVE')]],
    ['a level set and cleared', [level('DEBUG'), level('DEBUG'), clearLevel, clearLevel]],
    ['the old session dropped under the Deny', [session(900), add, drop]],
    ['a drop that found no session', [add, drop, { ...drop, status: 404 }]],
    ['a drop before and one after the Deny', [drop, add, drop]],
    [
      'a reservation and its return',
      [readCounter(0), writeCounter(1, 'o1'), readCounter(1), writeCounter(0, 'o1')],
    ],
    ['two owners', [readCounter(0), writeCounter(1, 'o1'), writeCounter(2, 'o2')]],
    ['a counter written unchanged', [readCounter(1), writeCounter(1, 'o1'), writeCounter(1, 'o1')]],
  ])('is %s', (_, steps) => {
    expect(played(steps)).toEqual([]);
  });
});

describe('a duplicate', () => {
  it.each<[string, Step[], string[]]>([
    ['a member added, removed and added', [add, remove, add], [`${MEMBER} @0>2`]],
    ['a policy attached twice', [attach, detach, attach], ['policy deny on cert-1 @0>2']],
    [
      'a certificate INACTIVE twice with ACTIVE between',
      [certificate('INACTIVE'), certificate('ACTIVE'), certificate('INACTIVE')],
      ['certificate c1 @0>2'],
    ],
    [
      'a level set again after it was cleared',
      [level('DEBUG'), clearLevel, level('DEBUG')],
      ['log level CLIENT_ID→t1 @0>2'],
    ],
    [
      'a second job of another run for the same step',
      [job(`q-contain-${RUN}`), job(`q-contain-${OTHER_RUN}`)],
      ['job q-contain-<run> for arn:thing/t1 @0>1'],
    ],
    [
      'a second job of the same operation under a free id',
      [job('one'), job('two')],
      ['job contain for arn:thing/t1 @0>1'],
    ],
    [
      'a session dropped that was seen to begin under the Deny',
      [add, session(5000), drop],
      ['session of t1 under the Deny @0>2'],
    ],
    [
      'two sessions dropped under the Deny',
      [session(900), add, drop, drop],
      ['session of t1 under the Deny @2>3'],
    ],
    [
      'a counter raised twice for one owner',
      [readCounter(0), writeCounter(1, 'o1'), writeCounter(2, 'o1')],
      ['guard/counter for o1 @1>2'],
    ],
    [
      'a counter raised, lowered and raised for one owner',
      [readCounter(0), writeCounter(1, 'o1'), writeCounter(0, 'o1'), writeCounter(1, 'o1')],
      ['guard/counter for o1 @1>3'],
    ],
  ])('is %s', (_, steps, expected) => {
    expect(played(steps)).toEqual(expected);
  });
});
