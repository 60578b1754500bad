import { describe, expect, it } from '@jest/globals';

import { createMessageMemory } from '../../../triggers/webhook/message-memory';

describe('the memory of messages', () => {
  it('keeps an id for its time and no longer', () => {
    let now = 0;
    const memory = createMessageMemory({ keepMs: 100, limit: 10, now: () => now });
    memory.remember('a');
    now = 99;
    expect([memory.has('a'), memory.has('b')]).toEqual([true, false]);
    now = 100;
    expect(memory.has('a')).toBe(false);
  });

  it('forgets the oldest beyond its limit', () => {
    const memory = createMessageMemory({ keepMs: 100, limit: 2, now: () => 0 });
    for (const id of ['a', 'b', 'a', 'c']) memory.remember(id);
    expect(['a', 'b', 'c'].map((id) => memory.has(id))).toEqual([true, false, true]);
  });
});
