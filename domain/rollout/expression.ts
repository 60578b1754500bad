import { Environment, type ASTNode } from '@marcbachmann/cel-js';

import { percentOf } from './cohort';
import { FACT_TYPES, type Facts } from './facts';
import type { GateRule } from './types';

/** What a rule says of a measurement. */
export type RuleAnswer =
  | { answer: 'matched' | 'clear'; values: string }
  /** It depends on what the measurement does not have, by the names in `missing`. */
  | { answer: 'noData'; missing: string[]; why: string }
  | { answer: 'error'; why: string };

export interface CompiledRule {
  rule: GateRule;
  ask(facts: Facts): RuleAnswer;
}

/** Of `MetricQuery.name`, so that rules can say `metrics.<name>`. */
export const METRIC_NAME = /^[a-z][a-zA-Z0-9]{0,31}$/;

const MAX_LENGTH = 500;
const LIMITS = {
  maxAstNodes: 200,
  maxDepth: 24,
  maxListElements: 20,
  maxMapEntries: 0,
  maxCallArguments: 2,
};

/**
 * Everything else of CEL is refused. `has` and indexes would make absent data look like an answer; `/` by zero would
 * compare as false; regular expressions and conversions are not needed, and could take long or fail late.
 */
const OPERATORS = new Set<ASTNode['op']>([
  'value',
  'id',
  '.',
  'call',
  'rcall',
  'list',
  '?:',
  '||',
  '&&',
  '!_',
  '-_',
  '==',
  '!=',
  '<',
  '<=',
  '>',
  '>=',
  'in',
  '+',
  '-',
  '*',
]);
const FUNCTIONS = new Set([
  'percent',
  'size',
  'exists',
  'all',
  'startsWith',
  'endsWith',
  'contains',
]);
const LOOPS = new Set(['exists', 'all']);

/** A sentence for who wrote the rule; null where it is one that can be judged. Never throws. */
export function expressionProblem(text: string, metrics: readonly string[]): string | null {
  const compiled = compile(text, metrics);
  return 'problem' in compiled ? compiled.problem : null;
}

/** Throws InvalidRuleError for what `expressionProblem` complains of. */
export function compileRule(rule: GateRule, metrics: readonly string[]): CompiledRule {
  const compiled = compile(rule.when, metrics);
  if ('problem' in compiled) throw new InvalidRuleError(`${rule.name}: ${compiled.problem}`);
  return { rule, ask: (facts) => ask(compiled, facts) };
}

export class InvalidRuleError extends Error {
  constructor(problem: string) {
    super(problem);
    this.name = 'InvalidRuleError';
  }
}

interface Compiled {
  run: (facts: Facts) => unknown;
  /** Variables that it names, as `cohort.worseBy`. */
  names: string[];
}

function compile(text: string, metrics: readonly string[]): Compiled | { problem: string } {
  if (text.length > MAX_LENGTH) return { problem: `is longer than ${MAX_LENGTH} characters` };
  try {
    const environment = environmentFor(metrics);
    const parsed = environment.parse(text);
    const names = new Set<string>();
    const objection = objectionTo(parsed.ast, false, names);
    if (objection !== null) return { problem: objection };
    const { valid, type, error } = parsed.check();
    if (!valid) return { problem: summaryOf(error) };
    if (type !== 'bool') return { problem: `is ${String(type)}, not true or false` };
    return { run: (facts) => parsed(facts) as unknown, names: [...names] };
  } catch (error) {
    return { problem: summaryOf(error) };
  }
}

/** CEL takes 5 and 5.0 for different things almost everywhere; who writes a rule need not. */
function environmentFor(metrics: readonly string[]): Environment {
  const environment = new Environment({ limits: LIMITS });
  for (const [name, schema] of Object.entries(FACT_TYPES))
    environment.registerVariable({ name, schema });
  const named = metrics.filter((name) => METRIC_NAME.test(name)).map((name) => [name, 'double']);
  return environment
    .registerVariable({ name: 'metrics', schema: Object.fromEntries(named) as MetricSchema })
    .registerVariable('alarms', 'list<string>')
    .registerFunction('percent(double, double): double', (part: number, whole: number) => {
      const percent = percentOf({ of: whole, bad: part });
      if (percent === null) throw new EmptyShareError();
      return percent;
    })
    .registerOperator('double == int', (left: number, right: bigint) => left === Number(right))
    .registerOperator('double + int', (left: number, right: bigint) => left + Number(right))
    .registerOperator('double - int', (left: number, right: bigint) => left - Number(right))
    .registerOperator('double * int', (left: number, right: bigint) => left * Number(right))
    .registerOperator('int * double', (left: bigint, right: number) => Number(left) * right);
}
type MetricSchema = Record<string, 'double'>;

/** A share of nothing, such as an error rate without requests, is no data. */
class EmptyShareError extends Error {}

/** Collects the variables on the way. `looped`: inside of a loop. */
function objectionTo(node: ASTNode, looped: boolean, names: Set<string>): string | null {
  const { op } = node;
  if (!OPERATORS.has(op)) {
    const instead = op === '/' ? ', percent(part, whole) is' : '';
    return `${symbolOf(op)} is not known to gates${instead}`;
  }
  if (op === 'call' || op === 'rcall') {
    const [called] = node.args;
    if (!FUNCTIONS.has(called)) return `${called}() is not known to gates`;
    if (LOOPS.has(called) && looped) return `${called}() may not stand within another loop`;
    looped ||= LOOPS.has(called);
  }
  if (op === 'id' && node.args === 'alarms') names.add(node.args);
  if (op === '.' && node.args[0].op === 'id') names.add(`${node.args[0].args}.${node.args[1]}`);
  for (const child of childrenOf(node.args)) {
    const objection = objectionTo(child, looped, names);
    if (objection !== null) return objection;
  }
  return null;
}

function childrenOf(args: unknown): ASTNode[] {
  if (Array.isArray(args)) return args.flatMap(childrenOf);
  return typeof args === 'object' && args !== null && 'op' in args ? [args as ASTNode] : [];
}

const symbolOf = (op: string): string =>
  ({ '[]': 'an index', map: 'a map', '.?': 'an optional', '[?]': 'an optional' })[op] ?? op;

function ask({ run, names }: Compiled, facts: Facts): RuleAnswer {
  try {
    const answer = run(facts) === true ? 'matched' : 'clear';
    return { answer, values: valuesOf(names, facts) };
  } catch (error) {
    const missing = names.filter((name) => valueOf(name, facts) === undefined);
    if (missing.length > 0)
      return { answer: 'noData', missing, why: `no data of ${missing.join(', ')}` };
    if (error instanceof EmptyShareError) {
      const why = `it asks for a share of nothing (${valuesOf(names, facts)})`;
      return { answer: 'noData', missing: names, why };
    }
    return { answer: 'error', why: summaryOf(error) };
  }
}

const valuesOf = (names: string[], facts: Facts): string =>
  names
    .flatMap((name) => {
      const value = valueOf(name, facts);
      return value === undefined ? [] : [`${name} is ${shown(value)}`];
    })
    .join(', ');

/** Of `cohort.worseBy` and the like; undefined where there is no data. */
function valueOf(name: string, facts: Facts): unknown {
  let value: unknown = facts;
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part))
      return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

const MAX_SHOWN = 3;
function shown(value: unknown): string {
  if (typeof value === 'number') return String(Math.round(value * 100) / 100);
  if (!Array.isArray(value)) return String(value);
  const more = value.length > MAX_SHOWN ? ` and ${value.length - MAX_SHOWN} more` : '';
  return value.length === 0 ? 'empty' : `${value.slice(0, MAX_SHOWN).join(', ')}${more}`;
}

/** The library's own messages draw the expression over several lines. */
function summaryOf(error: unknown): string {
  if (error instanceof Error && 'summary' in error) return String(error.summary);
  return error instanceof RangeError ? 'is nested too deeply' : String(error);
}
