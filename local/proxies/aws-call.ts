import type { IncomingHttpHeaders } from 'node:http';
import { routeOf } from './aws-routes';

/** What one request asks of AWS. */
export interface DecodedCall {
  /** Signing name: `iot`, `iotdata`, `dynamodb`, `sqs`, `sns`, `monitoring`, `logs`, `s3`, `iam` … */
  service: string;
  /** As the SDK names it; `METHOD /path` where it is not known. */
  operation: string;
  /** What is acted on: thing, policy→target, job id, client id, table and key; null where nothing fits. */
  target: string | null;
  /** Whether the operation can change state at AWS. Unknown operations count as changing. */
  mutating: boolean;
  /** Labels of the path, query parameters and the body's fields, one object. */
  input: Record<string, unknown>;
}

export interface RawRequest {
  method: string;
  /** Path and query, as on the request line. */
  url: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

const READING =
  /^(Describe|Get|List|Search|Head|Query$|Scan$|BatchGet|TransactGet|Filter|Receive|Test|Validate|GET |HEAD )/;

export function decodeCall(request: RawRequest): DecodedCall {
  const url = new URL(`http://aws.invalid${request.url}`);
  const service = serviceOf(request.headers);
  const body = bodyFields(request);
  const route = namedOperation(request.headers, url, body) ?? routeOf(service, request.method, url);
  const operation = route?.operation ?? `${request.method} ${url.pathname}`;
  const input = {
    ...Object.fromEntries(url.searchParams),
    ...principalOf(request.headers),
    ...body,
    ...route?.labels,
    ...(service === 's3' && { Bucket: url.pathname.split('/')[1] }),
  };
  return {
    service,
    operation,
    target: targetOf(input),
    mutating: !READING.test(operation),
    input,
  };
}

/** The credential scope of SigV4 names the service: `Credential=AKID/20261124/eu-west-1/iot/aws4_request`. */
function serviceOf(headers: IncomingHttpHeaders): string {
  const scope = /Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\//.exec(headers.authorization ?? '');
  return scope?.[1] ?? 'unsigned';
}

/** JSON protocols name the operation in a header, RPC v2 in the path, the query protocol in the body. */
function namedOperation(headers: IncomingHttpHeaders, url: URL, body: Record<string, unknown>) {
  const header = headers['x-amz-target'];
  if (typeof header === 'string') {
    return { operation: header.slice(header.lastIndexOf('.') + 1), labels: {} };
  }
  const rpc = /^\/service\/[^/]+\/operation\/([A-Za-z0-9]+)$/.exec(url.pathname);
  if (rpc?.[1] !== undefined) return { operation: rpc[1], labels: {} };
  return typeof body.Action === 'string' ? { operation: body.Action, labels: {} } : null;
}

function principalOf(headers: IncomingHttpHeaders): { principal?: string } {
  const principal = headers['x-amzn-principal'] ?? headers['x-amzn-iot-principal'];
  return typeof principal === 'string' ? { principal } : {};
}

/** Fields of a JSON or form body; an empty object for anything else, such as CBOR and objects of S3. */
function bodyFields({ headers, body }: RawRequest): Record<string, unknown> {
  const type = headers['content-type'] ?? '';
  if (type.startsWith('application/x-www-form-urlencoded')) {
    return Object.fromEntries(new URLSearchParams(body.toString()));
  }
  return type.includes('json') ? parseJson(body) : {};
}

/** An object, or an empty one: the proxy must carry what it can't read. */
export function parseJson(body: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : {};
  } catch {
    return {};
  }
}

/** The most telling fields of an input, most specific first; several are joined by an arrow. */
const TARGET_FIELDS: string[][] = [
  ['policyName', 'target'],
  ['thingName', 'thingGroupName'],
  ['thingName', 'principal'],
  ['thingName', 'jobId'],
  ['TableName', 'Key'],
  ['TableName', 'Item'],
  ['Bucket', 'Key'],
  ['thingName'],
  ['thingGroupName'],
  ['jobId'],
  ['clientId'],
  ['certificateId'],
  ['principal'],
  ['policyName'],
  ['target'],
  ['topic'],
  ['TableName'],
  ['TransactItems'],
  ['QueueUrl'],
  ['TopicArn'],
  ['AlarmName'],
  ['logGroupName'],
  ['Bucket'],
];

function targetOf(input: Record<string, unknown>): string | null {
  const logTarget = input.logTarget;
  if (typeof logTarget === 'object' && logTarget !== null) {
    return Object.values(logTarget).join('→');
  }
  if (typeof input.targetType === 'string' && typeof input.targetName === 'string') {
    return `${input.targetType}→${input.targetName}`;
  }
  const fields = TARGET_FIELDS.find((names) => names.every((name) => input[name] !== undefined));
  return fields?.map((name) => asText(input[name])).join('→') ?? null;
}

function asText(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.slice(0, 512);
}
