import type { z } from 'zod';

import type { InputIssue } from './quarantine/types';

/** Bounds on what a hostile document can make an error say. */
const MAX_ISSUES = 20;
const MAX_FIELD = 100;

const clip = (text: string): string =>
  (text.length > MAX_FIELD ? `${text.slice(0, MAX_FIELD)}…` : text).replace(/\p{C}/gu, ' ');

function fieldOf(path: readonly PropertyKey[], root: string): string {
  return path.length === 0 ? root : clip(path.map(String).join('.'));
}

/** One entry per wrong field, each with its path; `root` names the document as a whole. */
export function listIssues(error: z.ZodError, root: string): InputIssue[] {
  const issues = error.issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') {
      return [{ field: fieldOf(issue.path, root), problem: clip(issue.message) }];
    }
    return issue.keys.slice(0, MAX_ISSUES).map((key) => ({
      field: fieldOf([...issue.path, key], root),
      problem: 'is not a field here: remove it',
    }));
  });
  if (issues.length <= MAX_ISSUES) return issues;
  const rest = { field: root, problem: `has ${issues.length - MAX_ISSUES} more wrong fields` };
  return [...issues.slice(0, MAX_ISSUES), rest];
}
