/** What went wrong, for a person: an activity's failure only wraps the reason. */
export function messageOf(err: unknown): string {
  if (!(err instanceof Error)) return String(err);
  return err.cause instanceof Error ? err.cause.message : err.message;
}
