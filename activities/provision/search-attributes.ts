import { SEARCH_ATTRIBUTES } from '../../domain/temporal';
import type { Resource } from './resource';

/** What provisioning needs of Temporal; the command implements it over a connection. */
export interface SearchAttributeAdmin {
  /** Custom search attributes by name, with their type such as `KEYWORD`. */
  list(): Promise<Record<string, string>>;
  addKeywords(names: string[]): Promise<void>;
}

/** Registering a name under another type silently succeeds on some servers, so names and types are compared first. */
export function searchAttributesResource(admin: SearchAttributeAdmin, namespace: string): Resource {
  const addMissing = async (): Promise<void> => {
    const there = await admin.list();
    const missing = SEARCH_ATTRIBUTES.filter((name) => there[name] === undefined);
    if (missing.length > 0) await admin.addKeywords(missing);
  };
  const wanted = Object.fromEntries(SEARCH_ATTRIBUTES.map((name) => [name, 'KEYWORD']));
  const mends: Record<string, string> = {};
  return {
    kind: 'search attributes',
    name: namespace,
    mends,
    desired: () => wanted,
    async read() {
      const there = await admin.list();
      for (const name of SEARCH_ATTRIBUTES) {
        if (there[name] === undefined || there[name] === 'KEYWORD') continue;
        mends[name] =
          `remove it (temporal operator search-attribute remove --name ${name}), then run this again`;
      }
      return there;
    },
    create: addMissing,
    update: addMissing,
  };
}
