/** The repository, the keys or the place to publish to are not as they must be. Its message says what to do. */
export class ReleaseError extends Error {
  override readonly name = 'ReleaseError';
}

export const noRepository = (dir: string): ReleaseError =>
  new ReleaseError(`${dir} is no release repository: make one with "npm run release -- init"`);

/** Not by `instanceof`: under Jest, Node's own errors are of another realm's class. */
export function hasCode(err: unknown, ...codes: string[]): boolean {
  return (
    typeof err === 'object' &&
    err !== null &&
    'code' in err &&
    typeof err.code === 'string' &&
    codes.includes(err.code)
  );
}

export const messageOf = (err: unknown): string =>
  err instanceof Error ? err.message : String(err);
