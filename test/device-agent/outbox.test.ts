import { describe, expect, it } from '@jest/globals';
import { Outbox } from '../../device-agent/connection/outbox';
import type { PublishOutcome } from '../../device-agent/connection/types';

const closed: PublishOutcome = { kind: 'disconnected', byBroker: true };

/** A connection that is always up again and closes on every topic that starts with `no`. */
function outboxOver(closesOnRefusal: boolean) {
  const clock = { now: 0 };
  const sent: string[] = [];
  const connection = {
    open: true,
    publish: (topic: string): Promise<PublishOutcome> => {
      sent.push(topic);
      return Promise.resolve(topic.startsWith('no') ? closed : { kind: 'accepted' });
    },
    subscribe: () => Promise.resolve({ kind: 'granted' as const }),
  };
  const quiet = { baseMs: 1_000, capMs: 4_000 };
  const outbox = new Outbox(connection, closesOnRefusal, quiet, () => clock.now);
  return { outbox, sent, clock };
}

describe('the outbox', () => {
  it('keeps a channel quiet on MQTT 3.1.1 after its message closed the connection, and only that one', async () => {
    const { outbox, sent, clock } = outboxOver(true);
    expect(await outbox.publish('reports', 'no', '')).toEqual(closed);
    expect(await outbox.publish('reports', 'yes', '')).toEqual({ kind: 'held' });
    expect(await outbox.publish('application', 'app', '')).toEqual({ kind: 'accepted' });
    clock.now = 1_000;
    expect(await outbox.publish('reports', 'yes', '')).toEqual({ kind: 'accepted' });
    expect(sent).toEqual(['no', 'app', 'yes']);
  });

  it('waits longer each time, up to the cap, and starts over after a success', async () => {
    const { outbox, clock } = outboxOver(true);
    for (let round = 0; round < 10; round += 1) {
      await outbox.publish('reports', 'no', '');
      clock.now += 4_000;
    }
    await outbox.publish('reports', 'no', '');
    clock.now += 1_999;
    expect(outbox.ready('reports')).toBe(false);
    clock.now += 2_001;
    await outbox.publish('reports', 'yes', '');
    await outbox.publish('reports', 'no', '');
    clock.now += 1_000;
    expect(outbox.ready('reports')).toBe(true);
  });

  it('never holds back a probe', async () => {
    const { outbox } = outboxOver(true);
    await outbox.publish('probe', 'no', '');
    expect(await outbox.publish('probe', 'no', '')).toEqual(closed);
  });

  it('holds nothing back on MQTT 5', async () => {
    const { outbox } = outboxOver(false);
    await outbox.publish('reports', 'no', '');
    expect(await outbox.publish('reports', 'yes', '')).toEqual({ kind: 'accepted' });
  });
});
