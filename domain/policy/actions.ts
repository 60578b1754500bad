/**
 * What a device's certificate can be allowed to do, and the kind of resource each acts on.
 * https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html
 */
export const DEVICE_ACTIONS: Readonly<Record<string, string>> = {
  'iot:Connect': 'client/*',
  'iot:Publish': 'topic/*',
  'iot:RetainPublish': 'topic/*',
  'iot:Receive': 'topic/*',
  'iot:Subscribe': 'topicfilter/*',
  'iot:GetRetainedMessage': 'topic/*',
  'iot:ListRetainedMessages': '*',
  'iot:GetThingShadow': 'thing/*',
  'iot:UpdateThingShadow': 'thing/*',
  'iot:DeleteThingShadow': 'thing/*',
  'iot:ListNamedShadowsForThing': 'thing/*',
  'iot:DescribeJobExecution': 'thing/*',
  'iot:GetPendingJobExecutions': 'thing/*',
  'iot:StartNextPendingJobExecution': 'thing/*',
  'iot:UpdateJobExecution': 'thing/*',
  'iot:AssumeRoleWithCertificate': 'rolealias/*',
  'greengrass:Discover': 'thing/*',
};

/** What a contained device keeps: its own connection and its own jobs. `thing` is a literal name. */
export const openPath = (thing: string): Record<string, readonly string[]> => {
  const jobs = `$aws/things/${thing}/jobs`;
  const own = [`thing/${thing}`];
  return {
    'iot:Connect': [`client/${thing}`],
    'iot:Publish': [`topic/${jobs}/*`],
    'iot:Receive': [`topic/${jobs}/*`],
    'iot:Subscribe': [`topicfilter/${jobs}/*`],
    'iot:DescribeJobExecution': own,
    'iot:GetPendingJobExecutions': own,
    'iot:StartNextPendingJobExecution': own,
    'iot:UpdateJobExecution': own,
  };
};
