/**
 * Whether this is a Node system error with the code: `ENOENT`, `EEXIST`, `ESRCH`.
 * Not by `instanceof`: under Jest, Node's own errors are of another realm's class.
 */
export function hasCode(err: unknown, code: string): boolean {
  return typeof err === 'object' && err !== null && 'code' in err && err.code === code;
}

export function messageOf(err: unknown): string {
  return err instanceof Error ? err.message : String(err);
}
