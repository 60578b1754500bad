import { type Facts, resolve } from './context';
import { globMatches } from './glob';
import type { Statement } from './document';

export type Holds = 'yes' | 'no' | 'unknown';

/** All operators, and all keys of each, must hold. */
export function conditionsHold(condition: Statement['Condition'], facts: Facts): Holds {
  let overall: Holds = 'yes';
  for (const [operator, keys] of Object.entries(condition ?? {})) {
    for (const [key, values] of Object.entries(keys)) {
      const holds = holdsFor(operator, key, values, facts);
      if (holds === 'no') return 'no';
      if (holds === 'unknown') overall = 'unknown';
    }
  }
  return overall;
}

type Test = (actual: string, wanted: string, facts: Facts) => Holds;

const yesNo = (value: boolean): Holds => (value ? 'yes' : 'no');
const same: Test = (actual, wanted) => yesNo(actual === wanted);
const sameIgnoringCase: Test = (actual, wanted) =>
  yesNo(actual.toLowerCase() === wanted.toLowerCase());
const like: Test = (actual, wanted, facts) => {
  const pattern = resolve(wanted, facts, null);
  return pattern === null ? 'unknown' : yesNo(globMatches(pattern, actual));
};
/** The value with its variables put in; StringEquals takes `*` literally. */
const withVariables =
  (test: Test): Test =>
  (actual, wanted, facts) => {
    if (!wanted.includes('${')) return test(actual, wanted, facts);
    const pattern = resolve(wanted, facts, null);
    if (pattern === null) return 'unknown';
    const text = pattern.map((token) => (token.kind === 'literal' ? token.char : '*')).join('');
    return test(actual, text, facts);
  };

const OPERATORS: Record<string, { test: Test; negated?: true }> = {
  bool: { test: sameIgnoringCase },
  stringequals: { test: withVariables(same) },
  stringequalsignorecase: { test: withVariables(sameIgnoringCase) },
  stringlike: { test: like },
  stringnotequals: { test: withVariables(same), negated: true },
  stringnotequalsignorecase: { test: withVariables(sameIgnoringCase), negated: true },
  stringnotlike: { test: like, negated: true },
};

/**
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html :
 * a positive operator on an absent key does not hold, a negated one and `…IfExists` do.
 */
function holdsFor(operator: string, key: string, values: string[], facts: Facts): Holds {
  const name = operator.toLowerCase();
  const fact = facts(key);
  if (name === 'null' && fact !== 'unknown') {
    return yesNo(values.includes(String(fact === 'absent')));
  }
  const ifExists = name.endsWith('ifexists');
  const known = OPERATORS[ifExists ? name.slice(0, -'ifexists'.length) : name];
  if (known === undefined || fact === 'unknown') return 'unknown';
  if (fact === 'absent') return yesNo(ifExists || known.negated === true);
  const results = values.map((wanted) => known.test(fact.known, wanted, facts));
  const any: Holds = results.includes('yes')
    ? 'yes'
    : results.includes('unknown')
      ? 'unknown'
      : 'no';
  if (known.negated !== true || any === 'unknown') return any;
  return any === 'yes' ? 'no' : 'yes';
}
