/** AWS IoT policies, as the data plane evaluates them. */

/** Where the resources of a document live; the first fields of every ARN. */
export interface Place {
  /** `aws`, `aws-cn` or `aws-us-gov`. */
  partition: string;
  region: string;
  accountId: string;
}

/** The connection that asks. HTTPS publishes and calls have no client id and hence no thing. */
export interface Connection {
  clientId: string | null;
  /** The registered thing that the connection stands for: over MQTT, the one named like the client id. */
  thing: string | null;
  /** Whether the certificate is attached to `thing`. */
  attached: boolean;
  thingAttributes?: Record<string, string>;
  thingType?: string;
}

export interface PolicyRequest extends Connection {
  /** Such as `iot:Publish`; case does not matter. */
  action: string;
  /** A whole ARN, such as `arn:aws:iot:eu-west-1:123456789012:topic/dt/pump-1/telemetry`. */
  resource: string;
}

export type Decision = 'allowed' | 'explicitDeny' | 'implicitDeny';

export interface NamedDocument {
  policy: string;
  document: string;
}

/** An Allow that the quarantine policy does not take back. */
export interface ResidualAllow {
  policy: string;
  action: string;
  /** The resource pattern as it stands in the document. */
  resource: string;
  /** A request that would still be allowed; null where the search was cut short or the statement is not understood. */
  witness: { action: string; resource: string } | null;
}

export type LintRule =
  | 'elements'
  | 'size'
  | 'client-id'
  | 'attached-only'
  | 'device-works'
  | 'deny-literal'
  | 'deny-complete'
  | 'deny-over-https'
  | 'credentials'
  | 'jobs-open';

export interface LintFinding {
  rule: LintRule;
  /** Which document is at fault. */
  document: 'device' | 'quarantine';
  message: string;
  fix: string;
}
