import { DEVICE_ACTIONS, openPath } from './actions';
import { conditionsHold } from './conditions';
import { ANY_VALUE, type Fact, type Facts, hasVariable, resolve } from './context';
import { parseDocument, type Statement } from './document';
import { policyArn } from './documents';
import { actionMatches } from './evaluate';
import { containment, type Glob, glob } from './glob';
import type { NamedDocument, Place, ResidualAllow } from './types';

export interface ResidualInput {
  /** The device's effective documents: of its certificates and of its groups and their parents. */
  documents: readonly NamedDocument[];
  quarantine: string;
  thing: string;
  place: Place;
}

/**
 * Which Allows outlive quarantine: those that the quarantine policy does not deny and that lead beyond the open
 * path. The policies named are to be detached while the device is contained. Empty is a proof, since coverage is
 * decided exactly; conditions of an Allow are taken to hold, so the answer errs on the side of detaching.
 */
export function residualAllows(input: ResidualInput): ResidualAllow[] {
  const texts = input.documents.map(({ document }) => document);
  const bound = clientIdRuleHolds(texts, input);
  const denies = parseDocument(input.quarantine).filter(isPlainDeny);
  return input.documents.flatMap(({ policy, document }) =>
    parseDocument(document)
      .filter((statement) => statement.Effect === 'Allow')
      .flatMap((statement) =>
        residualsOf(statement, statementFacts(statement, bound, input.thing), denies, input),
      )
      .map((residual) => ({ policy, ...residual })),
  );
}

/**
 * A variable is worth the device's own name only where the device can't choose it: the documents bind its client id,
 * or, for the thing's name, the statement asks for `IsAttached`. Otherwise it may be anything.
 */
function statementFacts(statement: Statement, bound: boolean, thing: string): Facts {
  const own: Fact = { known: thing };
  const attachedOnly = conditionsHold(statement.Condition, unattached) === 'no';
  const known: Record<string, Fact> = {
    'iot:clientid': bound ? own : 'unknown',
    'iot:connection.thing.thingname': bound || attachedOnly ? own : 'unknown',
  };
  return (key) => known[key.toLowerCase()] ?? 'unknown';
}

const unattached: Facts = (key) =>
  key.toLowerCase() === 'iot:connection.thing.isattached' ? { known: 'false' } : 'unknown';

/** Only a Deny that holds for every connection, HTTPS too, can be relied on. */
const isPlainDeny = (statement: Statement): boolean =>
  statement.Effect === 'Deny' &&
  Object.keys(statement.Condition ?? {}).length === 0 &&
  statement.NotResource === undefined;

function deniedGlobs(denies: readonly Statement[], action: string): Glob[] {
  return denies
    .filter((deny) => actionMatches(deny, action))
    .flatMap((deny) => deny.Resource ?? [])
    .filter((pattern) => !hasVariable(pattern))
    .map(glob);
}

type Residual = Omit<ResidualAllow, 'policy'>;

function residualsOf(
  statement: Statement,
  facts: Facts,
  denies: readonly Statement[],
  { thing, place }: ResidualInput,
): Residual[] {
  const open = openPath(thing);
  const found: Residual[] = [];
  for (const [action, kind] of actionsOf(statement)) {
    const required = kind === '*' ? [] : [glob(policyArn(place, kind))];
    const openGlobs = (open[action] ?? []).map((resource) => glob(policyArn(place, resource)));
    const covers = [...deniedGlobs(denies, action), ...openGlobs];
    for (const [resource, pattern] of patternsOf(statement, facts)) {
      const answer = containment([pattern, ...required], covers);
      if (answer.covered) continue;
      const witness = answer.witness === null ? null : { action, resource: answer.witness };
      found.push({ action, resource, witness: statement.NotResource ? null : witness });
    }
  }
  return found;
}

/** Known actions that the statement speaks of, and those it names that we do not know, on any resource. */
function actionsOf(statement: Statement): [action: string, kind: string][] {
  const known = Object.entries(DEVICE_ACTIONS).filter(([action]) =>
    actionMatches(statement, action),
  );
  const lower = new Set(Object.keys(DEVICE_ACTIONS).map((action) => action.toLowerCase()));
  const unknown = (statement.Action ?? []).filter(
    (action) => !/[*?]/.test(action) && !lower.has(action.toLowerCase()),
  );
  return [...known, ...unknown.map((action): [string, string] => [action, '*'])];
}

function patternsOf(statement: Statement, facts: Facts): [resource: string, pattern: Glob][] {
  if (statement.Resource === undefined) {
    const named = (statement.NotResource ?? []).join(', ');
    return statement.NotResource === undefined ? [] : [[`everything but ${named}`, ANY_VALUE]];
  }
  return statement.Resource.flatMap((resource) => {
    const pattern = resolve(resource, facts, ANY_VALUE);
    return pattern === null ? [] : [[resource, pattern] as [string, Glob]];
  });
}

/**
 * Whether the documents keep the certificate from connecting under any client id but its own thing's name, as long as
 * it is attached to no other thing. Where they do not, a group Deny can be walked round.
 */
export function clientIdRuleHolds(
  documents: readonly string[],
  { thing, place }: { thing: string; place: Place },
): boolean {
  const statements = documents.flatMap(parseDocument);
  const covers = [
    glob(policyArn(place, `client/${thing}`)),
    ...deniedGlobs(statements.filter(isPlainDeny), 'iot:Connect'),
  ];
  return statements
    .filter((statement) => statement.Effect === 'Allow' && actionMatches(statement, 'iot:Connect'))
    .filter((statement) => conditionsHold(statement.Condition, unattached) !== 'no')
    .flatMap((statement) => patternsOf(statement, unattached))
    .every(
      ([, pattern]) => containment([pattern, glob(policyArn(place, 'client/*'))], covers).covered,
    );
}
