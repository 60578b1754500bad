import { describe, expect, it } from '@jest/globals';
import { applyProvisioning, planProvisioning } from '../../../activities/provision/provision';
import { searchAttributesResource } from '../../../activities/provision/search-attributes';
import { SEARCH_ATTRIBUTES } from '../../../domain/temporal';

function fakeNamespace(there: Record<string, string>) {
  const added: string[][] = [];
  const admin = {
    list: () => Promise.resolve({ ...there }),
    addKeywords: (names: string[]) => {
      added.push(names);
      for (const name of names) there[name] = 'KEYWORD';
      return Promise.resolve();
    },
  };
  return { added, resource: searchAttributesResource(admin, 'default') };
}

describe('search attributes', () => {
  it('are registered where missing, and only those', async () => {
    const { added, resource } = fakeNamespace({ IotThing: 'KEYWORD', Other: 'INT' });
    await applyProvisioning([resource]);
    expect(added).toEqual([SEARCH_ATTRIBUTES.filter((name) => name !== 'IotThing')]);
    expect((await applyProvisioning([resource])).map(({ action }) => action)).toEqual(['ok']);
    expect(added).toHaveLength(1);
  });

  it('are refused under another type, which the server would pass over in silence', async () => {
    const { added, resource } = fakeNamespace({ IotThing: 'TEXT' });
    const [plan] = await planProvisioning([resource]);
    expect(plan?.action).toBe('conflict');
    await expect(applyProvisioning([resource])).rejects.toThrow(
      /IotThing is TEXT, wanted KEYWORD: remove it/,
    );
    expect(added).toEqual([]);
  });
});
