import { Connection } from '@temporalio/client';
import {
  searchAttributesResource,
  type SearchAttributeAdmin,
} from '../../../activities/provision/search-attributes';
import type { Resource } from '../../../activities/provision/resource';

/** `temporal.api.enums.v1.IndexedValueType`, by number. */
const VALUE_TYPES = [
  'UNSPECIFIED',
  'TEXT',
  'KEYWORD',
  'INT',
  'DOUBLE',
  'BOOL',
  'DATETIME',
  'KEYWORD_LIST',
];
const KEYWORD = 2;
const CONNECT_TIMEOUT_MS = 5_000;

export async function connectSearchAttributes(
  address: string,
  namespace: string,
): Promise<{ resource: Resource; close(): Promise<void> }> {
  const connection = await Connection.connect({ address, connectTimeout: CONNECT_TIMEOUT_MS });
  const resource = searchAttributesResource(searchAttributeAdmin(connection, namespace), namespace);
  return { resource, close: () => connection.close() };
}

function searchAttributeAdmin(connection: Connection, namespace: string): SearchAttributeAdmin {
  return {
    async list() {
      const { customAttributes } = await connection.operatorService.listSearchAttributes({
        namespace,
      });
      return Object.fromEntries(
        Object.entries(customAttributes).map(([name, type]) => [
          name,
          VALUE_TYPES[type] ?? String(type),
        ]),
      );
    },
    async addKeywords(names) {
      const searchAttributes = Object.fromEntries(names.map((name) => [name, KEYWORD]));
      await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
    },
  };
}
