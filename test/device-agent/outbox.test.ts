import { describe, expect, it } from '@jest/globals';
import { Outbox } from '../../device-agent/connection/outbox';
import type { PublishOutcome } from '../../device-agent/connection/types';

const closed: PublishOutcome = { kind: 'disconnected', byBroker: true };

/** A connection that is always up again and closes on every topic that starts with `no`. */
function outboxOver(closesOnRefusal: boolean) {
  const clock = { now: 0 };
  const sent: string[] = [];
  const refuse = new Set<string>();
  const connection = {
    open: true,
    publish: (topic: string): Promise<PublishOutcome> => {
      sent.push(topic);
      const closes = topic.startsWith('no') || refuse.has(topic);
      return Promise.resolve(closes ? closed : { kind: 'accepted' });
    },
    subscribe: () => Promise.resolve({ kind: 'granted' as const }),
  };
  const quiet = { baseMs: 1_000, capMs: 4_000 };
  const outbox = new Outbox(connection, closesOnRefusal, quiet, () => clock.now);
  return { outbox, sent, refuse, clock };
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

  it('lets an application go on with a topic that was taken before, and only with that', async () => {
    const { outbox, sent, clock } = outboxOver(true);
    await outbox.publish('application', 'yes', '');
    for (let round = 0; round < 5; round += 1) {
      await outbox.publish('application', 'no', '');
      expect(outbox.ready('application')).toBe(false);
      expect(outbox.ready('application', 'new')).toBe(false);
      expect(await outbox.publish('application', 'yes', '')).toEqual({ kind: 'accepted' });
      // Its success does not shorten the quiet time of the others.
      clock.now += round === 0 ? 1_000 : 4_000;
    }
    await outbox.publish('application', 'no', '');
    clock.now += 1_999;
    expect(outbox.ready('application')).toBe(false);
    expect(sent).toEqual([...Array<string[]>(5).fill(['yes', 'no'])].flat().concat('yes', 'no'));
  });

  it('has every topic wait once the connection closes on one that was taken before', async () => {
    const { outbox, refuse } = outboxOver(true);
    await outbox.publish('application', 'one', '');
    await outbox.publish('application', 'other', '');
    refuse.add('one');
    expect(await outbox.publish('application', 'one', '')).toEqual(closed);
    expect(await outbox.publish('application', 'other', '')).toEqual({ kind: 'held' });
  });

  it('forgets an old refusal after a time as long as the quiet one without another', async () => {
    const { outbox, refuse, clock } = outboxOver(true);
    await outbox.publish('application', 'yes', '');
    for (let round = 0; round < 5; round += 1) {
      await outbox.publish('application', 'no', '');
      clock.now += 8_000;
    }
    await outbox.publish('application', 'yes', '');
    refuse.add('yes');
    await outbox.publish('application', 'yes', '');
    clock.now += 1_000;
    expect(outbox.ready('application')).toBe(true);
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
