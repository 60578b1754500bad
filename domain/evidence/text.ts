const MAX_SENTENCE = 512;

/** Fits a manifest entry and a line of a report, whatever a device or an error says: no control character, no half one. */
export function sentence(text: string): string {
  const plain = oneLine(text);
  if (plain === '') return 'nothing was said';
  return plain.length <= MAX_SENTENCE ? plain : `${oneLine(plain.slice(0, MAX_SENTENCE - 1))}…`;
}

const oneLine = (text: string): string => text.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ').trim();
