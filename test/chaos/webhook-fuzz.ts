import fc from 'fast-check';

import { createAuthorize } from '../support/openapi/authorize';
import { openApiDocument, postsOf, undocumented } from '../support/openapi/document';
import { requestsOf } from '../support/openapi/requests';
import type { Signing } from './webhook-requests';

export interface FuzzOptions {
  url: string;
  signing: Signing;
  requests: number;
  seed: number;
  log?: (line: string) => void;
}

/** Sends what the served OpenAPI document allows, and what it does not; counts answers that it does not promise. */
export async function fuzzByDocument(
  options: FuzzOptions,
): Promise<{ fuzzed: number; undocumented: number; fuzzServerErrors: number }> {
  const served: unknown = await (await fetch(`${options.url}/openapi.json`)).json();
  const requests = requestsOf(
    postsOf(openApiDocument.parse(served)),
    createAuthorize(options.signing),
  );
  const counts = { fuzzed: 0, undocumented: 0, fuzzServerErrors: 0 };
  const property = fc.asyncProperty(requests, async ({ post, body, headers }) => {
    const answer = await fetch(`${options.url}${post.path}`, { method: 'POST', headers, body });
    const problem = undocumented(post, answer.status, await answer.json());
    counts.fuzzed += 1;
    if (problem !== null) counts.undocumented += 1;
    if (answer.status >= 500) counts.fuzzServerErrors += 1;
    if (problem !== null || answer.status >= 500)
      options.log?.(`${problem ?? answer.status}: ${body.toString().slice(0, 2_000)}`);
  });
  await fc.assert(property, { numRuns: options.requests, seed: options.seed });
  return counts;
}
