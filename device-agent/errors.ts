/** Node's error code, such as ENOENT. Not by `instanceof`, which fails for errors of another realm. */
export function codeOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An address that a server sent, for a message that leaves the device: its query may be a credential. */
export const withoutSecrets = (url: string): string =>
  url.replace(/[?#].*$/s, '').replace(/\/\/[^/]*@/, '//');

/** Carries on where an action fails, and says how it did: its message, or null where it went well. */
export function problemOf(act: () => void): string | null {
  try {
    act();
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** Deeper than anything that is ours; far from where a schema, or writing it out again, would overflow the stack. */
const MAX_DEPTH = 64;

/** Undefined where the text is not JSON or is nested too deep, for a schema to refuse. */
export function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return isDeeper(value, MAX_DEPTH) ? undefined : value;
  } catch {
    return undefined;
  }
}

function isDeeper(value: unknown, than: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return than === 0 || Object.values(value).some((inner) => isDeeper(inner, than - 1));
}
