import fc from 'fast-check';

import type { Body, Headers } from '../senders';
import type { PostOperation } from './document';
import { edits, valuesOf } from './values';

/** Puts the credential of a sender on a body; a body that is itself signed comes back changed. */
export type Authorize = (
  path: string,
  body: unknown,
  text: Body | null,
) => { body: Body; headers: Headers };

export interface FuzzRequest {
  post: PostOperation;
  body: Body;
  headers: Headers;
  /** Whether the credential is a true one. */
  authorized: boolean;
}

/** How the text of a body is damaged after all; null for most. */
const damage: fc.Arbitrary<((text: string) => Body) | null> = fc.oneof(
  { weight: 12, arbitrary: fc.constant(null) },
  {
    weight: 1,
    arbitrary: fc.nat(400).map((length) => (text: string) => text.slice(0, length)),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<((text: string) => Body)[]>(
      (text) => Buffer.concat([Buffer.from(text), Buffer.from([0xff, 0xc0])]),
      (text) => `\ufeff${text}`,
      (text) => `[${text},${text}]`,
      () => '['.repeat(20_000),
      () => '',
      () => 'x'.repeat(262_145),
      (text) => text + ' '.repeat(200_000),
      (text) => text.replace('{', '{"id":"x","type":"y",'),
    ),
  },
);
const contentTypes = fc.constantFrom('application/xml', 'text/html', 'x', 'application/json5');
const spoil: fc.Arbitrary<((headers: Headers) => Headers) | null> = fc.oneof(
  { weight: 8, arbitrary: fc.constant(null) },
  {
    weight: 1,
    arbitrary: contentTypes.map((type) => (headers: Headers) => ({
      ...headers,
      'content-type': type,
    })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.nat(10), fc.constantFrom('', 'x', 'Bearer x', 'v1,x', '0', '9'.repeat(30), 'é'))
      .map(([at, value]) => (headers: Headers) => {
        const known = Object.keys(headers).filter((name) => name !== 'content-type');
        const name = known[at % Math.max(known.length, 1)] ?? 'x-api-key';
        return { ...headers, [name]: value };
      }),
  },
);

/** Requests of the documented operations: true, wrong in their bodies, and wrong in all that is around these. */
export function requestsOf(
  posts: readonly PostOperation[],
  authorize: Authorize,
): fc.Arbitrary<FuzzRequest> {
  return fc.oneof(...posts.map((post) => requestsTo(post, authorize)));
}

function requestsTo(post: PostOperation, authorize: Authorize): fc.Arbitrary<FuzzRequest> {
  const good = fc.oneof(
    fc.constantFrom(...post.examples.map(({ value }) => value)),
    valuesOf(post.body),
  );
  return fc.tuple(good, edits, damage, spoil).map(([value, changes, hurt, headersOf]) => {
    const edited = changes.reduce<unknown>((each, change) => change(each), value);
    const text = hurt === null ? null : hurt(JSON.stringify(edited));
    const { body, headers } = authorize(post.path, edited, text);
    return {
      post,
      body,
      headers: headersOf?.(headers) ?? headers,
      authorized: headersOf === null,
    };
  });
}
