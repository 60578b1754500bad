import { EventEmitter } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { Session } from '../../device-agent/connection/session';

type Answer = (error?: Error) => void;

/** A session over a client whose broker says what the test wants to each publish. */
function sessionThat(says: (answer: Answer) => void, answerTimeoutMs = 10_000) {
  const client = Object.assign(new EventEmitter(), {
    publish: (_topic: string, _payload: string, _options: object, answer: Answer) => says(answer),
    end: () => undefined,
  });
  const session = Reflect.construct(Session, [client, answerTimeoutMs]) as Session;
  return { client, session };
}

describe('a session', () => {
  it('keeps nothing of a publish that was answered, however many there are', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const { session } = sessionThat((answer) => setImmediate(answer));
    const heapAfter = async (publishes: number): Promise<number> => {
      for (let sent = 0; sent < publishes; sent += 1) await session.publish('topic', '');
      collect();
      return process.memoryUsage().heapUsed;
    };
    const before = await heapAfter(1_000);
    expect((await heapAfter(20_000)) - before).toBeLessThan(4_000_000);
  });

  it('tells each unanswered publish how the connection ended', async () => {
    const { client, session } = sessionThat(() => undefined);
    const outcomes = Promise.all([session.publish('a', ''), session.publish('b', '')]);
    client.emit('close');
    const gone = { kind: 'disconnected', byBroker: true };
    expect(await outcomes).toEqual([gone, gone]);
    expect(await session.publish('c', '')).toEqual({ kind: 'held' });
  });

  it.each<[string, Error | undefined, object]>([
    ['taken', undefined, { kind: 'accepted' }],
    [
      'refused',
      Object.assign(new Error('no'), { code: 135 }),
      { kind: 'refused', reasonCode: 135 },
    ],
  ])('says of a publish that it was %s', async (_what, error, outcome) => {
    const { session } = sessionThat((answer) => answer(error));
    expect(await session.publish('topic', '')).toEqual(outcome);
  });

  it('waits no longer than the time allowed', async () => {
    const { session } = sessionThat(() => undefined, 10);
    expect(await session.publish('topic', '')).toEqual({ kind: 'unanswered' });
  });
});
