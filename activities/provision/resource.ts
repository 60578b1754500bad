import type { Fields } from '../../domain/provision/types';

/**
 * One resource to bring about. `read` answers null where there is none; `create` and `update` are called only after a
 * read that found it absent or different, so a run that was killed anywhere is completed by the next.
 */
export interface Resource {
  kind: string;
  name: string;
  /** Fields that can't be changed in place, and what a person has to do instead. */
  mends?: Fields;
  /** May read AWS, for what only AWS knows, such as a queue's URL; only asked in order, after what it depends on. */
  desired(): Promise<Fields> | Fields;
  read(): Promise<Fields | null>;
  create(): Promise<void>;
  /** `fields`: those that differ. */
  update(fields: readonly string[]): Promise<void>;
}

const ABSENT = new Set([
  'ResourceNotFoundException',
  'NoSuchEntityException',
  'NoSuchEntity',
  'QueueDoesNotExist',
  'AWS.SimpleQueueService.NonExistentQueue',
  'NotFoundException',
  'NotFound',
  'NoSuchBucket',
  // GetTopicRule of a rule that does not exist: AWS does not tell "absent" from "not yours".
  'UnauthorizedException',
]);

/** null where AWS says that there is no such thing. */
export async function ifPresent<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (err) {
    if (err instanceof Error && ABSENT.has(err.name)) return null;
    throw err;
  }
}
