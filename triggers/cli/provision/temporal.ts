import {
  Client,
  Connection,
  ScheduleNotFoundError,
  type ConnectionOptions,
} from '@temporalio/client';
import {
  searchAttributesResource,
  type SearchAttributeAdmin,
} from '../../../activities/provision/search-attributes';
import type { Resource } from '../../../activities/provision/resource';
import { ensureReconcileSchedule, RECONCILE_SCHEDULE } from '../../schedules/reconcile';

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

/** What provisioning makes in Temporal. */
export async function connectTemporal(
  options: ConnectionOptions,
  namespace: string,
): Promise<{ resources: Resource[]; close(): Promise<void> }> {
  const connection = await Connection.connect({
    ...options,
    connectTimeout: CONNECT_TIMEOUT_MS,
  });
  return {
    resources: [
      searchAttributesResource(searchAttributeAdmin(connection, namespace), namespace),
      scheduleResource(new Client({ connection, namespace })),
    ],
    close: () => connection.close(),
  };
}

/** Made where it is absent; one that a person changed or paused is theirs. */
function scheduleResource(client: Client): Resource {
  const create = async () => {
    await ensureReconcileSchedule(client);
  };
  return {
    kind: 'schedule',
    name: RECONCILE_SCHEDULE,
    desired: () => ({}),
    async read() {
      try {
        await client.schedule.getHandle(RECONCILE_SCHEDULE).describe();
        return {};
      } catch (err) {
        if (err instanceof ScheduleNotFoundError) return null;
        throw err;
      }
    },
    create,
    update: create,
  };
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
