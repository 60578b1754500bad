import * as iot from '@aws-sdk/client-iot';
import * as iotData from '@aws-sdk/client-iot-data-plane';
import * as s3 from '@aws-sdk/client-s3';

export interface Route {
  operation: string;
  /** Values of the path's labels, percent-decoded. */
  labels: Record<string, string>;
}

interface RoutePattern {
  operation: string;
  method: string;
  pattern: RegExp;
  /** How many parts of the path are literal: the most literal pattern wins, as in AWS's own routing. */
  literals: number;
  /** Query parameters that are part of the route (`?x-id=PutObject`, `?acl`). */
  query: [name: string, value: string][];
}

/** The SDK's operation schemas are tuples: 9, namespace, name, traits, input, output. */
const OPERATION_SCHEMA = 9;

const TABLES: Record<string, RoutePattern[]> = {
  iot: patternsOf(iot),
  iotdata: patternsOf(iotData),
  s3: patternsOf(s3),
};

/**
 * Names the operation of a REST request by the SDK's own route table, so that the proxy knows every operation that
 * the SDK can send. Null when the path is none of the service's.
 */
export function routeOf(service: string, method: string, url: URL): Route | null {
  const path = service === 's3' ? s3Path(url.pathname) : url.pathname;
  const fits = (TABLES[service] ?? [])
    .filter((route) => route.method === method && route.pattern.test(path))
    .filter((route) => route.query.every(([name, value]) => matchesQuery(url, name, value)))
    .sort((a, b) => b.query.length - a.query.length || b.literals - a.literals);
  const best = fits[0];
  if (best === undefined) return null;
  const labels: Record<string, string> = {};
  for (const [name, value] of Object.entries(best.pattern.exec(path)?.groups ?? {})) {
    labels[name] = decode(value);
  }
  return { operation: best.operation, labels };
}

function matchesQuery(url: URL, name: string, value: string): boolean {
  return value === '' ? url.searchParams.has(name) : url.searchParams.get(name) === value;
}

/** The SDK's S3 routes leave the bucket to the endpoint; the local stack uses path style. */
function s3Path(pathname: string): string {
  return pathname.replace(/^\/[^/]+/, '') || '/';
}

function patternsOf(sdk: Record<string, unknown>): RoutePattern[] {
  return Object.values(sdk).flatMap((schema) => {
    const route = httpTrait(schema);
    return route === null ? [] : [route];
  });
}

function httpTrait(schema: unknown): RoutePattern | null {
  if (!Array.isArray(schema) || schema[0] !== OPERATION_SCHEMA) return null;
  const [, , operation, traits] = schema as unknown[];
  const http = isRecord(traits) ? traits.http : undefined;
  if (typeof operation !== 'string' || !Array.isArray(http)) return null;
  const [method, template] = http as unknown[];
  if (typeof method !== 'string' || typeof template !== 'string') return null;
  const [path = '', query = ''] = template.split('?');
  return {
    operation,
    method,
    pattern: patternOf(path),
    literals: path.split('/').filter((part) => part !== '' && !part.startsWith('{')).length,
    query: [...new URLSearchParams(query)],
  };
}

function patternOf(path: string): RegExp {
  const source = path
    .split(/(\{[^}]+\})/)
    .map((part) => {
      const label = /^\{([A-Za-z0-9_]+)(\+?)\}$/.exec(part);
      if (label === null) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      return `(?<${label[1] ?? ''}>${label[2] === '+' ? '.+' : '[^/]+'})`;
    })
    .join('');
  return new RegExp(`^${source}$`);
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
