import { readFileSync, writeFileSync } from 'node:fs';
import { temporal } from '@temporalio/proto';

const { History } = temporal.api.history.v1;
export type History = temporal.api.history.v1.IHistory;

/** Enums by name, 64-bit numbers as text, bytes in base64. */
export const readHistory = (file: string): History =>
  History.fromObject(JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>);

/** `clean` takes out what belongs to the machine that recorded. */
export function writeHistory(file: string, history: History, clean: (text: string) => string) {
  const plain = History.toObject(History.fromObject(history), {
    enums: String,
    longs: String,
    bytes: String,
  });
  writeFileSync(file, `${clean(JSON.stringify(plain, null, 1))}\n`);
}
