import { describe, expect, it } from '@jest/globals';
import type { PublishOutcome } from '../../device-agent/connection/types';
import { createProbe } from '../../device-agent/operations/probe';

const document = {
  version: 1,
  requestedBy: 'quarantine/test',
  operation: 'probe',
  nonce: 'nonce-1234',
} as const;

const accepted: PublishOutcome = { kind: 'accepted' };
const refused: PublishOutcome = { kind: 'refused', reasonCode: 135 };
const closed: PublishOutcome = { kind: 'disconnected', byBroker: true };
const lost: PublishOutcome = { kind: 'disconnected', byBroker: false };
const unanswered: PublishOutcome = { kind: 'unanswered' };
const held: PublishOutcome = { kind: 'held' };

async function probed(protocolVersion: 4 | 5, outcome: PublishOutcome, startedBefore = false) {
  const published: string[] = [];
  const publishProbe = (nonce: string) => {
    published.push(nonce);
    return Promise.resolve(outcome);
  };
  const { status, details } = await createProbe({ protocolVersion, publishProbe }).run(document, {
    startedBefore,
    key: 'probe-1#1',
    progress: () => Promise.resolve('reported' as const),
    gate: () => Promise.resolve('passed'),
  });
  return { published, status, ...details };
}

describe('a probe', () => {
  it.each([
    ['accepted', 4, accepted, 'accepted', '0'],
    ['accepted', 5, accepted, 'accepted', '0'],
    ['refused', 4, refused, 'refused', '135'],
    ['refused', 5, refused, 'refused', '135'],
    ['closed by the broker', 4, closed, 'disconnected', 'connection closed'],
    ['closed by the broker', 5, closed, 'unanswered', 'connection closed'],
    ['lost with the network', 4, lost, 'unanswered', 'connection lost'],
    ['lost with the network', 5, lost, 'unanswered', 'connection lost'],
    ['left without an answer', 4, unanswered, 'unanswered', 'no answer'],
    ['left without an answer', 5, unanswered, 'unanswered', 'no answer'],
    ['never sent', 4, held, 'unanswered', 'not connected'],
    ['never sent', 5, held, 'unanswered', 'not connected'],
  ] as const)('that was %s over MQTT %s', async (_name, version, outcome, probe, reasonCode) => {
    const published = [document.nonce];
    const said = { published, status: 'SUCCEEDED', probe, reasonCode };
    expect(await probed(version, outcome)).toEqual(said);
  });

  it.each([4, 5] as const)(
    'that an earlier life started over MQTT %s is not published again',
    async (version) => {
      const said = { published: [], status: 'SUCCEEDED', probe: 'unanswered' };
      expect(await probed(version, accepted, true)).toMatchObject(said);
    },
  );
});
