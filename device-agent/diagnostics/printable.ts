/**
 * What moves a cursor, hides text or reverses its direction is written out, so that a file name or a log line can't
 * act on the terminal or the page of whoever reads it. Line ends and tabs stay.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) =>
    KEPT.has(character) ? character : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

const KEPT: ReadonlySet<string> = new Set(['\n', '\r', '\t']);

/** For names, which have one line. */
export function printableName(name: string): string {
  return printable(name).replace(/[\n\r\t]/g, (character) =>
    JSON.stringify(character).slice(1, -1),
  );
}
