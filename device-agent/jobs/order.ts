import type { JobDocument } from '../../domain/device-protocol/job-document';

interface Ordered {
  /** Seconds since 1970. */
  queuedAt: number;
  document?: JobDocument;
}

/** Oldest first, so that what was asked last holds; within the same second containment has the last word. */
export function byAge(a: Ordered, b: Ordered): number {
  return a.queuedAt - b.queuedAt || Number(contains(a)) - Number(contains(b));
}

function contains({ document }: Ordered): boolean {
  return document?.operation === 'contain';
}

/**
 * A job may be read long after one that was queued later, where reading it failed at first. A `resume` that comes so
 * late must not lift a containment that was asked for after it; a late `contain` is carried out, to be safe.
 */
export class ContainmentOrder {
  private containedAt = -Infinity;

  /** Told of each operation as it begins; why it may not be carried out any more, or null. */
  objection({ operation }: JobDocument, queuedAt: number): string | null {
    if (operation === 'contain') this.containedAt = Math.max(this.containedAt, queuedAt);
    if (operation !== 'resume' || queuedAt >= this.containedAt) return null;
    return 'a containment that was asked for later has been carried out';
  }
}
