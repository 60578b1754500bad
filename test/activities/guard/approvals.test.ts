import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { JWK } from 'jose';
import { importJWK, SignJWT, UnsecuredJWT } from 'jose';
import { signApproval } from '../../../activities/guard/approval-token';
import type { ApproverKey } from '../../../activities/guard/approver-keys';
import { createGuard } from '../../../activities/guard/guard';
import { initialiseGuard } from '../../../activities/guard/initialise';
import type { Guard } from '../../../domain/guard/types';
import { createMemoryGuardTable } from '../../support/memory-guard-table';

const people = Object.fromEntries(['ada', 'bob', 'eve'].map((name) => [name, keyPair(name)]));
const START = 1_700_000_000_000;
const SECONDS = START / 1000;
const scope = { workflowId: 'quarantine/t-1', targetHash: 'f'.repeat(64) };

let clock: number;
let approvers: string[];
let guard: Guard;

beforeEach(async () => {
  clock = START;
  approvers = ['ada', 'bob'];
  const table = createMemoryGuardTable();
  guard = createGuard({
    table,
    approverKeys: () => Promise.resolve(approvers.map((name) => pairOf(name).publicKey)),
    now: () => clock,
    pause: () => Promise.resolve(),
  });
  await initialiseGuard(table, () => clock);
});

function keyPair(kid: string): { privateKey: JWK; publicKey: ApproverKey } {
  const { x, d } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const publicKey = { kty: 'OKP', crv: 'Ed25519', x: x ?? '', kid } as const;
  return { privateKey: { ...publicKey, d: d ?? '' }, publicKey };
}

function pairOf(name: string) {
  const pair = people[name];
  if (pair === undefined) throw new Error(`no key of ${name}`);
  return pair;
}

const sign = (approver: string, over: object = {}) =>
  signApproval({
    ...scope,
    approver,
    privateKey: pairOf(approver).privateKey,
    nowMs: clock,
    ...over,
  });
const approveAs = async (name: string) => guard.approve({ ...scope, token: await sign(name) });
const reserve = (over: object = {}) =>
  guard.reserve({ ...scope, owner: scope.workflowId, things: ['t-1', 't-2'], ...over });

/** Signed with ada's key, whatever it claims. */
async function forge(claims: Record<string, unknown>, header: { alg: string; kid: string }) {
  const whole: Record<string, unknown> = {
    sub: 'ada',
    aud: 'iot-runbooks/approve',
    wf: scope.workflowId,
    target: scope.targetHash,
    iat: SECONDS,
    exp: SECONDS + 600,
    jti: 'one',
    ...claims,
  };
  const present = Object.fromEntries(Object.entries(whole).filter(([, v]) => v !== undefined));
  const key = await importJWK(pairOf('ada').privateKey, 'EdDSA');
  return new SignJWT(present).setProtectedHeader(header).sign(key);
}
const ada = { alg: 'EdDSA', kid: 'ada' };

describe('two approvers', () => {
  it('allow what one alone does not', async () => {
    expect(await reserve()).toMatchObject({ granted: false, reason: 'approvalNeeded' });
    expect(await approveAs('ada')).toEqual(['ada']);
    expect(await reserve()).toMatchObject({ granted: false, approvers: ['ada'] });
    expect(await approveAs('bob')).toEqual(['ada', 'bob']);
    expect(await reserve()).toMatchObject({ granted: true, approvers: ['ada', 'bob'] });
    expect(await reserve()).toMatchObject({ granted: true, approvers: ['ada', 'bob'] });
  });

  it('must be two people: the same one twice counts once', async () => {
    await approveAs('ada');
    expect(await approveAs('ada')).toEqual(['ada']);
    expect(await reserve()).toMatchObject({ granted: false, approvers: ['ada'] });
  });

  it('may send the same token again without harm', async () => {
    const token = await sign('ada');
    await guard.approve({ ...scope, token });
    expect(await guard.approve({ ...scope, token })).toEqual(['ada']);
  });

  it('allow one reservation: a later one needs new tokens', async () => {
    const used = await sign('ada');
    await guard.approve({ ...scope, token: used });
    await approveAs('bob');
    const first = await reserve();
    if (!first.granted) throw new Error(first.explanation);
    await guard.giveBack(first.lease);
    expect(await reserve()).toMatchObject({ granted: false, approvers: [] });
    await expect(guard.approve({ ...scope, token: used })).rejects.toMatchObject({
      message: expect.stringContaining('it has granted an act already'),
    });
  });

  it('are verified again at every use: expired or struck off counts no more', async () => {
    await approveAs('ada');
    await approveAs('bob');
    approvers = ['ada'];
    expect(await reserve()).toMatchObject({ granted: false, approvers: ['ada'] });
    approvers = ['ada', 'bob'];
    clock += 15 * 60_000;
    expect(await reserve()).toMatchObject({ granted: false, approvers: [] });
  });

  it('do not allow another workflow or other targets than they signed', async () => {
    await approveAs('ada');
    await approveAs('bob');
    const other = { granted: false, reason: 'approvalNeeded', approvers: [] };
    expect(await reserve({ targetHash: 'e'.repeat(64) })).toMatchObject(other);
    expect(await reserve({ workflowId: 'quarantine/t-2' })).toMatchObject(other);
    expect(await reserve({ requestedBy: 'ada' })).toMatchObject({ ...other, approvers: ['bob'] });
    expect(await reserve()).toMatchObject({ granted: true });
  });
});

describe('approversOf', () => {
  const people = (over: object = {}) => guard.approversOf({ ...scope, ...over });

  it('names distinct people for this workflow and this hash, less who asked for it', async () => {
    expect(await people()).toEqual([]);
    await approveAs('bob');
    await approveAs('ada');
    await approveAs('ada');
    expect(await people()).toEqual(['ada', 'bob']);
    expect(await people({ requestedBy: 'Ada' })).toEqual(['bob']);
    expect(await people({ targetHash: 'e'.repeat(64) })).toEqual([]);
    expect(await people({ workflowId: 'quarantine/t-2' })).toEqual([]);
  });

  it('lasts for work that outlives the tokens of people who approved together', async () => {
    await approveAs('ada');
    await approveAs('bob');
    clock += 3 * 24 * 60 * 60_000;
    expect(await people()).toEqual(['ada', 'bob']);
    expect(await reserve()).toMatchObject({ granted: false, approvers: [] });
    approvers = ['ada', 'eve'];
    expect(await people()).toEqual(['ada']);
    await approveAs('eve');
    expect(await people()).not.toEqual(['ada', 'eve']);
    await approveAs('ada');
    expect(await people()).toEqual(['ada', 'eve']);
  });

  it('lasts for one person too, where the runbook asks for no more', async () => {
    await approveAs('ada');
    clock += 24 * 60 * 60_000;
    expect(await people()).toEqual(['ada']);
  });

  it('does not add up people who never approved at the same time', async () => {
    await approveAs('ada');
    clock += 15 * 60_000;
    expect(await approveAs('bob')).toEqual(['bob']);
    expect(await people()).toEqual(['bob']);
  });

  it('is over once a reservation spent the approvals', async () => {
    await approveAs('ada');
    await approveAs('bob');
    expect(await reserve()).toMatchObject({ granted: true });
    expect(await people()).toEqual([]);
  });
});

describe('approve', () => {
  it.each<[string, RegExp, () => Promise<string> | string, object?]>([
    [
      'for another workflow',
      /for workflow quarantine\/t-9/,
      () => sign('ada', { workflowId: 'quarantine/t-9' }),
    ],
    [
      'for other targets',
      /another list of targets/,
      () => sign('ada', { targetHash: 'e'.repeat(64) }),
    ],
    ['for another audience', /"aud" is wrong/, () => forge({ aud: 'other' }, ada)],
    ['without an audience', /"aud" is wrong/, () => forge({ aud: undefined }, ada)],
    ['that has expired', /has expired/, () => sign('ada', { nowMs: START - 16 * 60_000 })],
    ['from a clock that runs ahead', /not valid yet/, () => sign('ada', { nowMs: START + 60_000 })],
    [
      'that is not valid before a later time',
      /not valid yet/,
      () => forge({ nbf: SECONDS + 60 }, ada),
    ],
    ['that lives too long', /longer than 15 minutes/, () => sign('ada', { lifeS: 901 })],
    ['that never expires', /exp/, () => forge({ exp: undefined }, ada)],
    ['without a time of issue', /iat/, () => forge({ iat: undefined }, ada)],
    ['without an id', /jti/, () => forge({ jti: undefined }, ada)],
    ['of someone who is no approver', /no approver is called "eve"/, () => sign('eve')],
    ['without a key name', /no approver is called/, () => forge({}, { alg: 'EdDSA', kid: '' })],
    ['that ada signs for bob', /speaks for bob but ada signed/, () => forge({ sub: 'bob' }, ada)],
    [
      "that ada signs under bob's key name",
      /signature does not fit/,
      () => forge({ sub: 'bob' }, { alg: 'EdDSA', kid: 'bob' }),
    ],
    [
      'without a signature',
      /signed with "none"|not a token/,
      () => new UnsecuredJWT({ sub: 'ada' }).encode(),
    ],
    [
      'signed with the public key as a secret',
      /signed with "HS256", and only EdDSA/,
      () =>
        new SignJWT({ sub: 'ada' })
          .setProtectedHeader({ alg: 'HS256', kid: 'ada' })
          .sign(new TextEncoder().encode(pairOf('ada').publicKey.x)),
    ],
    ['that is empty', /not a token/, () => ''],
    ['that is no token', /not a token/, () => 'a.b.c'],
    ['that is huge', /too long/, () => 'a'.repeat(100_000)],
    [
      'of who asked for the act',
      /ada asked for this act/,
      () => sign('ada'),
      { requestedBy: ' Ada ' },
    ],
  ])('refuses a token %s', async (_, reason, token, extra = {}) => {
    await expect(guard.approve({ ...scope, ...extra, token: await token() })).rejects.toMatchObject(
      {
        type: 'ApprovalRejected',
        nonRetryable: true,
        message: expect.stringMatching(reason),
      },
    );
    expect(await guard.approve({ ...scope, token: await sign('bob') })).toEqual(['bob']);
  });

  it('takes the token that the refused ones were made from', async () => {
    expect(await guard.approve({ ...scope, token: await forge({}, ada) })).toEqual(['ada']);
  });

  it('says what is wrong with the approvers file', async () => {
    const broken = createGuard({
      table: createMemoryGuardTable(),
      approverKeys: () => Promise.reject(new Error('the approvers file x is not JSON')),
      now: () => clock,
    });
    await expect(broken.approve({ ...scope, token: await sign('ada') })).rejects.toMatchObject({
      type: 'ApprovalRejected',
      message: expect.stringContaining('x is not JSON'),
    });
  });
});
