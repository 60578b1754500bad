/** Whether this is a Node system error with the code: `ENOENT`, `EEXIST`, `ESRCH`. */
export function hasCode(err: unknown, code: string): boolean {
  return err instanceof Error && 'code' in err && err.code === code;
}

export function messageOf(err: unknown): string {
  return err instanceof Error ? err.message : String(err);
}
