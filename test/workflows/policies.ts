import { AttachPolicyCommand, CreatePolicyCommand } from '@aws-sdk/client-iot';
import type { AwsClients } from '../../activities/aws/clients';

interface Statement {
  Effect: 'Allow';
  Action: string;
  Resource: string;
}

export const allow = (action: string, resource: string): Statement => ({
  Effect: 'Allow',
  Action: action,
  Resource: `arn:aws:iot:*:*:${resource}`,
});

/** `target` is the ARN of a certificate or of a thing group. */
export async function attachOwnPolicy(
  { iot }: AwsClients,
  policyName: string,
  target: string,
  statements: Statement[],
): Promise<void> {
  const policyDocument = JSON.stringify({ Version: '2012-10-17', Statement: statements });
  await iot.send(new CreatePolicyCommand({ policyName, policyDocument }));
  await iot.send(new AttachPolicyCommand({ policyName, target }));
}
