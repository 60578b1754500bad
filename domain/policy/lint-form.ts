import { parseDocument, PolicyDocumentError } from './document';
import { MAX_POLICY_CHARACTERS, policySize } from './documents';
import type { LintFinding, LintRule } from './types';

export function finding(
  rule: LintRule,
  document: LintFinding['document'],
  message: string,
  fix: string,
): LintFinding {
  return { rule, document, message, fix };
}

const STATEMENT_ELEMENTS = new Set(['Effect', 'Action', 'Resource', 'Condition']);
const DOCUMENT_ELEMENTS = new Set(['Version', 'Statement']);

/** https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html documents these elements only. */
export function lintElements(which: LintFinding['document'], text: string): LintFinding[] {
  try {
    const foreign = [
      ...Object.keys(JSON.parse(text) as object).filter((key) => !DOCUMENT_ELEMENTS.has(key)),
      ...parseDocument(text).flatMap((statement) =>
        Object.keys(statement).filter((key) => !STATEMENT_ELEMENTS.has(key)),
      ),
    ];
    return [...new Set(foreign)].map((element) =>
      finding(
        'elements',
        which,
        `${element} is not a documented element of an AWS IoT policy`,
        'use Effect, Action, Resource and Condition only; name what is denied instead of what is not',
      ),
    );
  } catch (err) {
    if (!(err instanceof PolicyDocumentError) && !(err instanceof SyntaxError)) throw err;
    return [finding('elements', which, err.message, 'make it a JSON policy document')];
  }
}

export function lintSize(which: LintFinding['document'], text: string): LintFinding[] {
  const size = policySize(text);
  if (size <= MAX_POLICY_CHARACTERS) return [];
  return [
    finding(
      'size',
      which,
      `${size} characters without white space; AWS allows ${MAX_POLICY_CHARACTERS}`,
      'merge statements that share an effect, or widen resources by *',
    ),
  ];
}

/** Over HTTPS a policy variable is empty and a condition on the connection fails: the Deny would be gone. */
export function lintDeny(quarantine: string): LintFinding[] {
  return parseDocument(quarantine)
    .filter((statement) => statement.Effect === 'Deny')
    .filter(
      (statement) =>
        statement.Condition !== undefined ||
        (statement.Resource ?? []).some((resource) => resource.includes('${')),
    )
    .map((statement) =>
      finding(
        'deny-literal',
        'quarantine',
        `the Deny of ${String(statement.Action)} has a condition or a policy variable, which is empty over HTTPS`,
        'write literal namespaces, such as topic/dt/*, and no condition',
      ),
    );
}
