import { z } from 'zod';

/** RFC 3339 with any offset and any number of decimals, as a `Date`'s UTC text; what leaves the four-digit years is refused. */
export const instant = z.iso
  .datetime({ offset: true })
  .transform((text) => new Date(text))
  .refine((date) => /^\d{4}-/.test(toText(date)), 'must lie in the years 0 to 9999')
  .transform(toText);

function toText(date: Date): string {
  return Number.isNaN(date.getTime()) ? '' : date.toISOString();
}
