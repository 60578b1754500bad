import { MANY, type Glob, glob, literalGlob } from './glob';
import type { Connection } from './types';

/**
 * What the connection tells about a condition key or policy variable. `unknown`: AWS knows it and we do not
 * (source address, certificate fields); it must never make a device look more contained than it is.
 */
export type Fact = { known: string } | 'absent' | 'unknown';
export type Facts = (key: string) => Fact;

const THING = 'iot:connection.thing.';

/**
 * Thing variables and the client id exist only over MQTT and WebSocket:
 * https://docs.aws.amazon.com/iot/latest/developerguide/thing-policy-variables.html
 */
export function factsOf(connection: Connection): Facts {
  const { clientId, thing, attached, thingAttributes, thingType } = connection;
  return (key) => {
    const name = key.toLowerCase();
    if (name === 'iot:clientid') return maybe(clientId);
    if (!name.startsWith(THING)) return 'unknown';
    if (clientId === null) return 'absent';
    const field = name.slice(THING.length);
    if (field === 'isattached') return { known: String(thing !== null && attached) };
    if (thing === null) return 'absent';
    if (field === 'thingname') return { known: thing };
    if (field === 'thingtypename')
      return thingType === undefined ? 'unknown' : { known: thingType };
    const attribute = /^attributes\[(.+)\]$/i.exec(key.slice(THING.length))?.[1];
    if (attribute === undefined || thingAttributes === undefined) return 'unknown';
    return maybe(thingAttributes[attribute] ?? null);
  };
}

const maybe = (value: string | null): Fact => (value === null ? 'absent' : { known: value });

/** `${*}`, `${?}` and `${$}` are those characters, taken literally. */
const VARIABLE = /\$\{([^}]*)\}/g;
const ESCAPES = new Set(['*', '?', '$']);

export const hasVariable = (pattern: string): boolean => pattern.match(VARIABLE) !== null;

/**
 * Puts values, taken literally, in place of variables. null where one is absent: the statement then does not match.
 * A variable of unknown value becomes `unknownAs`.
 */
export function resolve(pattern: string, facts: Facts, unknownAs: Glob | null): Glob | null {
  const parts: Glob[] = [];
  let from = 0;
  for (const match of pattern.matchAll(VARIABLE)) {
    parts.push(glob(pattern.slice(from, match.index)));
    from = match.index + match[0].length;
    const value = variable(match[1] ?? '', facts, unknownAs);
    if (value === null) return null;
    parts.push(value);
  }
  parts.push(glob(pattern.slice(from)));
  return parts.flat();
}

function variable(name: string, facts: Facts, unknownAs: Glob | null): Glob | null {
  if (ESCAPES.has(name)) return literalGlob(name);
  const fact = facts(name);
  if (fact === 'absent') return null;
  return fact === 'unknown' ? unknownAs : literalGlob(fact.known);
}

/** For an Allow: a value that we do not know may be any. */
export const ANY_VALUE: Glob = MANY;
/** For a Deny: a value that we do not know can't be relied on. */
export const NO_VALUE = null;
