import { conditionsHold } from './conditions';
import { ANY_VALUE, factsOf, NO_VALUE, resolve, type Facts } from './context';
import { parseDocument, type Statement } from './document';
import { glob, globMatches, type Glob } from './glob';
import type { Decision, PolicyRequest } from './types';

/**
 * Permissions add up; an explicit Deny takes away:
 * https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
 *
 * What we can't judge (an operator or a key we do not know) counts against containment: it never keeps an Allow from
 * matching and never lets a Deny match. Throws `PolicyDocumentError` for a text that is not a policy document.
 */
export function evaluate(documents: readonly string[], request: PolicyRequest): Decision {
  return decide(documents.flatMap(parseDocument), request);
}

export function decide(statements: readonly Statement[], request: PolicyRequest): Decision {
  const facts = factsOf(request);
  let decision: Decision = 'implicitDeny';
  for (const statement of statements) {
    if (!statementMatches(statement, request, facts)) continue;
    if (statement.Effect === 'Deny') return 'explicitDeny';
    decision = 'allowed';
  }
  return decision;
}

function statementMatches(statement: Statement, request: PolicyRequest, facts: Facts): boolean {
  if (!actionMatches(statement, request.action)) return false;
  if (!resourceMatches(statement, request.resource, facts)) return false;
  const holds = conditionsHold(statement.Condition, facts);
  return holds === 'yes' || (holds === 'unknown' && statement.Effect === 'Allow');
}

export const actionGlob = (pattern: string): Glob => glob(pattern.toLowerCase());

export function actionMatches(statement: Statement, action: string): boolean {
  const wanted = action.toLowerCase();
  const among = (patterns: string[]): boolean =>
    patterns.some((pattern) => globMatches(actionGlob(pattern), wanted));
  if (statement.Action !== undefined) return among(statement.Action);
  return statement.NotAction !== undefined && !among(statement.NotAction);
}

function resourceMatches(statement: Statement, resource: string, facts: Facts): boolean {
  const among = (patterns: string[], unknownAs: Glob | null): boolean =>
    patterns.some((pattern) => {
      const resolved = resolve(pattern, facts, unknownAs);
      return resolved !== null && globMatches(resolved, resource);
    });
  const allow = statement.Effect === 'Allow';
  if (statement.Resource !== undefined) {
    return among(statement.Resource, allow ? ANY_VALUE : NO_VALUE);
  }
  if (statement.NotResource === undefined) return false;
  // A complement: here it is the wide reading of a pattern that narrows the statement.
  if (
    !allow &&
    statement.NotResource.some((pattern) => resolve(pattern, facts, ANY_VALUE) === null)
  ) {
    return false;
  }
  return !among(statement.NotResource, allow ? NO_VALUE : ANY_VALUE);
}
