import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { upsertSearchAttributes } from '@temporalio/workflow';
import type { SearchAttribute } from '../domain/temporal';

/** Alarm texts and people's reasons are not ours: they must not draw tables or links. */
export const plain = (text: string): string =>
  text
    .replace(/[\p{C}\s]+/gu, ' ')
    .replace(/[|<>[\]`*_#\\]/g, '·')
    .slice(0, 500);

export const list = (title: string, items: string[]): string | null =>
  items.length === 0
    ? null
    : `**${title}**\n\n${items.map((item) => `- ${plain(item)}`).join('\n')}`;

/** Paragraphs of current details; what is not a text is left out. Rows of a table stay together. */
export const paragraphs = (lines: (string | null | undefined | false)[]): string =>
  lines
    .filter((line) => typeof line === 'string')
    .join('\n\n')
    .replaceAll('|\n\n|', '|\n|');

/** Shown, and searched by, without a live worker. */
export function label(values: Partial<Record<SearchAttribute, string>>): void {
  upsertSearchAttributes(
    Object.entries(values).map(([name, value]) => ({
      key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD),
      value,
    })),
  );
}
