import { expect, it } from '@jest/globals';
import { NAMES } from '../../../domain/names';
import { driftSince } from '../../../domain/quarantine/drift';
import type { ContainmentSnapshot } from '../../../domain/quarantine/types';

const certificate = (id: string, status: string) => ({
  id,
  arn: `arn:aws:iot:eu-west-1:000000000000:cert/${id}`,
  status,
  policies: [NAMES.devicePolicy],
  things: ['pump'],
});

const SNAPSHOT: ContainmentSnapshot = {
  thing: 'pump',
  takenAt: '2026-01-01T00:00:00.000Z',
  alreadyContained: false,
  escalated: false,
  groups: ['site-a'],
  certificates: [certificate('one', 'ACTIVE'), certificate('two', 'ACTIVE')],
  logLevel: null,
  connection: { connected: false, connectedSince: null },
  affectedThings: ['pump'],
  detach: [],
  findings: [],
  obstacles: [],
};

const withStatuses = (...statuses: string[]) => ({
  groups: ['site-a', NAMES.quarantineGroup],
  certificates: SNAPSHOT.certificates.map((before, index) => ({
    ...before,
    policies: [...before.policies, NAMES.quarantinePolicy],
    status: statuses[index] ?? before.status,
  })),
  logLevel: 'DEBUG',
});

it.each([
  ['carried out', ['INACTIVE', 'INACTIVE']],
  ['given up before it began', ['ACTIVE', 'ACTIVE']],
  ['left half-way', ['INACTIVE', 'ACTIVE']],
])('finds no drift in an escalation that was %s', (_, statuses) => {
  expect(driftSince(SNAPSHOT, withStatuses(...statuses), true)).toEqual([]);
});

it('names a certificate that somebody revoked, escalated or not', () => {
  const now = withStatuses('REVOKED');
  expect(driftSince(SNAPSHOT, now, true)).toEqual([
    'status of certificate one is REVOKED, not INACTIVE or ACTIVE',
  ]);
  expect(driftSince(SNAPSHOT, now, false)).toEqual([
    'status of certificate one is REVOKED, not ACTIVE',
  ]);
});

it('names a certificate that somebody else set INACTIVE', () => {
  expect(driftSince(SNAPSHOT, withStatuses('INACTIVE'), false)).toEqual([
    'status of certificate one is INACTIVE, not ACTIVE',
  ]);
});
