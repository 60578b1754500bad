import type { Answer, AwsCall, Interceptor, Verdict } from './aws-proxy';

export type FaultKind =
  /** AWS answers 500 without acting. */
  | 'status500'
  /** AWS throttles without acting. */
  | 'throttle'
  /** The connection is cut before AWS sees the call. */
  | 'reset'
  /** AWS acts, and its answer is lost. */
  | 'lostResponse';

export interface Fault {
  kind: FaultKind;
  /** Which calls; all where absent. */
  match?: (call: AwsCall) => boolean;
  /** How often at most; always where absent. */
  times?: number;
  /** 0 to 1, of the calls that match; 1 where absent. Needs `random`. */
  probability?: number;
  /** Seeded by the caller, so that a run can be repeated. Returns [0, 1). */
  random?: () => number;
}

/** A fault as an interceptor for the AWS proxy: several compose by `use`, the first that strikes counts. */
export function faultInterceptor(fault: Fault): Interceptor {
  let left = fault.times ?? Infinity;
  const strikes = (call: AwsCall): boolean => {
    if (left <= 0 || fault.match?.(call) === false) return false;
    if ((fault.random ?? alwaysZero)() >= (fault.probability ?? 1)) return false;
    left -= 1;
    return true;
  };
  const verdict = (call: AwsCall): Verdict => (strikes(call) ? VERDICTS[fault.kind] : undefined);
  return fault.kind === 'lostResponse' ? { after: verdict } : { before: verdict };
}

const alwaysZero = (): number => 0;

const VERDICTS: Record<FaultKind, 'drop' | Answer> = {
  status500: errorAnswer(500, 'InternalFailureException'),
  throttle: errorAnswer(429, 'ThrottlingException'),
  reset: 'drop',
  lostResponse: 'drop',
};

function errorAnswer(status: number, name: string): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json', 'x-amzn-errortype': name },
    body: JSON.stringify({ __type: name, message: 'made by a test' }),
  };
}
