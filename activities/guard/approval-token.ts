import { randomUUID } from 'node:crypto';
import type { JWK } from 'jose';
import { decodeProtectedHeader, errors, importJWK, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import type { ApproverKey } from './approver-keys';
import { approverName } from './approver-keys';

export const APPROVAL_AUDIENCE = 'iot-runbooks/approve';
export const MAX_TOKEN_LIFE_S = 15 * 60;
/** How far an approver's clock may run ahead of ours. */
const CLOCK_SKEW_S = 30;
const MAX_TOKEN_CHARS = 4096;
const ALGORITHM = 'EdDSA';

const claimsSchema = z.object({
  sub: approverName,
  wf: z.string().min(1),
  target: z.string().min(1),
  iat: z.number().int(),
  exp: z.number().int(),
  jti: z.string().min(1).max(128),
});

export interface SignApprovalInput {
  approver: string;
  privateKey: JWK;
  workflowId: string;
  targetHash: string;
  nowMs: number;
  lifeS?: number;
}

/** A short-lived statement by one person that one workflow may act on one frozen list of targets. */
export async function signApproval(input: SignApprovalInput): Promise<string> {
  const issuedAt = Math.floor(input.nowMs / 1000);
  return new SignJWT({ wf: input.workflowId, target: input.targetHash })
    .setProtectedHeader({ alg: ALGORITHM, kid: input.approver, typ: 'JWT' })
    .setSubject(input.approver)
    .setAudience(APPROVAL_AUDIENCE)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + (input.lifeS ?? MAX_TOKEN_LIFE_S))
    .setJti(randomUUID())
    .sign(await importJWK(input.privateKey, ALGORITHM));
}

export interface VerifyApprovalInput {
  token: string;
  keys: ApproverKey[];
  workflowId: string;
  targetHash: string;
  requestedBy: string | null;
  nowMs: number;
}

export type VerifiedApproval =
  | { valid: true; approver: string; jti: string; expiresAtMs: number }
  | { valid: false; reason: string };

/** Never throws: whatever the token is, the answer is an approver or the reason for none. */
export async function verifyApproval(input: VerifyApprovalInput): Promise<VerifiedApproval> {
  try {
    return await verify(input);
  } catch (err) {
    return refused(describe(err));
  }
}

async function verify(input: VerifyApprovalInput): Promise<VerifiedApproval> {
  if (input.token.length > MAX_TOKEN_CHARS) return refused('it is too long to be a token');
  const header = decodeProtectedHeader(input.token);
  if (header.alg !== ALGORITHM) {
    return refused(
      `it is signed with ${JSON.stringify(header.alg)}, and only ${ALGORITHM} is taken`,
    );
  }
  const key = input.keys.find((candidate) => candidate.kid === header.kid);
  if (key === undefined) {
    return refused(
      `no approver is called ${JSON.stringify(header.kid)}; see npm run guard -- approver list`,
    );
  }
  const { payload } = await jwtVerify(input.token, await importJWK(key, ALGORITHM), {
    algorithms: [ALGORITHM],
    audience: APPROVAL_AUDIENCE,
    currentDate: new Date(input.nowMs),
  });
  const claims = claimsSchema.safeParse(payload);
  if (!claims.success) return refused(`its claims are wrong: ${z.prettifyError(claims.error)}`);
  const problem = judgeClaims(claims.data, key.kid, input);
  if (problem !== null) return refused(problem);
  const { sub, jti, exp } = claims.data;
  return { valid: true, approver: sub, jti, expiresAtMs: exp * 1000 };
}

function judgeClaims(
  claims: z.infer<typeof claimsSchema>,
  kid: string,
  { workflowId, targetHash, requestedBy, nowMs }: VerifyApprovalInput,
): string | null {
  if (claims.sub !== kid) return `it speaks for ${claims.sub} but ${kid} signed it`;
  if (claims.wf !== workflowId) return `it is for workflow ${claims.wf}, not ${workflowId}`;
  if (claims.target !== targetHash) return 'it is for another list of targets';
  if (claims.iat > nowMs / 1000 + CLOCK_SKEW_S) return 'it is not valid yet: check the clocks';
  if (claims.exp - claims.iat > MAX_TOKEN_LIFE_S) {
    return `it lives longer than ${MAX_TOKEN_LIFE_S / 60} minutes`;
  }
  if (requestedBy !== null && claims.sub === requestedBy.trim().toLowerCase()) {
    return `${claims.sub} asked for this act, and nobody approves what they asked for`;
  }
  return null;
}

const refused = (reason: string): VerifiedApproval => ({ valid: false, reason });

function describe(err: unknown): string {
  if (err instanceof errors.JWTExpired) return 'it has expired: sign a new one';
  if (err instanceof errors.JWSSignatureVerificationFailed) {
    return 'its signature does not fit the key of the approver it names';
  }
  if (err instanceof errors.JWTClaimValidationFailed) {
    return err.claim === 'nbf'
      ? 'it is not valid yet: check the clocks'
      : `its claim ${JSON.stringify(err.claim)} is wrong: ${err.message}`;
  }
  return `it is not a token that npm run guard -- approve printed (${err instanceof Error ? err.message : String(err)})`;
}
