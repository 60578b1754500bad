import { afterEach, describe, expect, it } from '@jest/globals';
import { Outbox } from '../../device-agent/connection/outbox';
import type { PublishOutcome } from '../../device-agent/connection/types';
import { Publisher } from '../../device-agent/supervisor/publisher';
import { recordingLog } from './agents';

const QUIET = { baseMs: 1_000, capMs: 4_000 };

let publisher: Publisher | undefined;
afterEach(() => publisher?.stop());

/** A publisher on MQTT 3.1.1 over a broker that closes the connection on every topic that starts with `no`. */
function publisherOver({ maxQueued = 200 } = {}) {
  const clock = { now: 0 };
  const taken: string[] = [];
  const allowed = new Set<string>();
  const closings = { count: 0 };
  const connection = {
    open: true,
    publish: (topic: string): Promise<PublishOutcome> => {
      if (topic.startsWith('no') && !allowed.has(topic)) {
        closings.count += 1;
        return Promise.resolve({ kind: 'disconnected', byBroker: true });
      }
      taken.push(topic);
      return Promise.resolve({ kind: 'accepted' });
    },
    subscribe: () => Promise.resolve({ kind: 'granted' as const }),
  };
  const outbox = new Outbox(connection, true, QUIET, () => clock.now);
  const settings = { maxPerSecond: 1_000, maxQueued, maxInFlight: 1 };
  const made = new Publisher(settings, outbox, () => undefined, recordingLog().log);
  publisher = made;
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const say = async (...topics: string[]) => {
    for (const topic of topics) made.accept({ topic, payload: 1 });
    await settle();
  };
  /** The longest quiet time passes. */
  const pass = async () => {
    clock.now += QUIET.capMs;
    made.pump();
    await settle();
  };
  return { publisher: made, say, pass, taken, allowed, closings };
}

const flood = (count: number) => Array<string>(count).fill('no');

describe('a publisher on MQTT 3.1.1', () => {
  it('lets what is allowed through behind a flood of refused messages, which count as refused', async () => {
    const { say, pass, taken, closings, publisher } = publisherOver();
    await say(...flood(50), 'yes', ...flood(50));
    await pass();
    await pass();
    expect(taken).toEqual(['yes']);
    expect(closings.count).toBe(2);
    // The one that was sent twice was refused twice.
    expect(publisher.takeRefused()).toBe(101);
  });

  it('goes on with what is allowed while the flood lasts, for one closed connection each quiet time', async () => {
    const { say, pass, taken, closings, publisher } = publisherOver();
    await say('yes', 'no');
    await pass();
    expect(closings.count).toBe(2);
    publisher.takeRefused();
    for (let round = 0; round < 5; round += 1) {
      await pass();
      await say(...flood(20), 'yes', ...flood(20));
    }
    expect(taken).toHaveLength(6);
    expect(closings.count).toBe(7);
    expect(publisher.takeRefused()).toBe(200);
  });

  it('keeps room for what is allowed among refused messages on ever new topics', async () => {
    const { say, taken } = publisherOver({ maxQueued: 10 });
    await say('yes');
    await say(...Array.from({ length: 30 }, (_, n) => `no/${n}`));
    await say('yes');
    expect(taken).toEqual(['yes', 'yes']);
  });

  it('uses a refused topic again once the broker takes it', async () => {
    const { say, pass, taken, allowed, publisher } = publisherOver();
    await say('no');
    await pass();
    await say('no');
    expect(publisher.takeRefused()).toBe(3);
    allowed.add('no');
    await pass();
    await say('no', 'no');
    expect(taken).toEqual(['no', 'no']);
    expect(publisher.takeRefused()).toBe(0);
  });

  it('gives a message on a topic that was never refused a second try', async () => {
    const { say, pass, taken, allowed, publisher } = publisherOver();
    await say('no', 'no');
    allowed.add('no');
    await pass();
    expect(taken).toEqual(['no', 'no']);
    expect(publisher.takeRefused()).toBe(0);
  });
});
