import {
  DescribeAlarmsCommand,
  PutMetricAlarmCommand,
  type CloudWatchClient,
} from '@aws-sdk/client-cloudwatch';
import {
  AttachThingPrincipalCommand,
  CreateCertificateFromCsrCommand,
  CreateThingCommand,
  DescribeCertificateCommand,
  DescribeThingCommand,
  RegisterCertificateWithoutCACommand,
  UpdateThingCommand,
  type IoTClient,
} from '@aws-sdk/client-iot';
import { NAMES, THING_DIMENSION } from '../../domain/names';
import type { Place } from '../../domain/policy/types';
import { topicArn } from '../../domain/provision/desired';
import type { Certificate, DeviceAlarm, EnrolmentApi } from '../provision/enrol';
import { ifPresent } from '../provision/resource';
import type { AwsClients } from './clients';
import { createIotRegistry } from './iot-registry';

/** Things, certificates and alarms of one device. Attaching and adding again changes nothing on AWS. */
export function createEnrolmentApi(clients: AwsClients, place: Place): EnrolmentApi {
  const registry = createIotRegistry(clients.iot);
  return {
    ...things(clients.iot),
    ...certificates(clients.iot),
    ...alarms(clients.cloudwatch, topicArn(place, NAMES.alarmTopic)),
    groupsOf: (thing) => registry.groupsOf(thing),
    addToGroup: (thing, group) => registry.addToGroup(thing, group),
    certificatesOf: (thing) => registry.certificatesOf(thing),
    policiesOf: (arn) => registry.policiesOf(arn),
    attachPolicy: (policy, arn) => registry.attachPolicy(policy, arn),
  };
}

function things(
  iot: IoTClient,
): Pick<EnrolmentApi, 'describeThing' | 'createThing' | 'updateAttributes'> {
  return {
    describeThing: (thingName) =>
      ifPresent(async () => {
        const thing = await iot.send(new DescribeThingCommand({ thingName }));
        return { type: thing.thingTypeName ?? null, attributes: thing.attributes ?? {} };
      }),
    async createThing(thingName, thingTypeName, attributes) {
      const attributePayload = { attributes };
      await iot.send(new CreateThingCommand({ thingName, thingTypeName, attributePayload }));
    },
    async updateAttributes(thingName, attributes) {
      const attributePayload = { attributes };
      await iot.send(new UpdateThingCommand({ thingName, attributePayload }));
    },
  };
}

const idOf = (arn: string): string => arn.slice(arn.indexOf('/') + 1);

function certificates(
  iot: IoTClient,
): Pick<EnrolmentApi, 'certificatePem' | 'issueFromRequest' | 'register' | 'attachCertificate'> {
  return {
    async certificatePem(arn) {
      const { certificateDescription } = await iot.send(
        new DescribeCertificateCommand({ certificateId: idOf(arn) }),
      );
      return certificateDescription?.certificatePem ?? '';
    },
    async issueFromRequest(certificateSigningRequest) {
      const issued = await iot.send(
        new CreateCertificateFromCsrCommand({ certificateSigningRequest, setAsActive: true }),
      );
      return { arn: issued.certificateArn ?? '', pem: issued.certificatePem ?? '' };
    },
    register: (certificatePem) => register(iot, certificatePem),
    async attachCertificate(thingName, principal) {
      await iot.send(new AttachThingPrincipalCommand({ thingName, principal }));
    },
  };
}

/** A certificate that is registered already answers with its own ARN. */
async function register(iot: IoTClient, certificatePem: string): Promise<Certificate> {
  try {
    const { certificateArn } = await iot.send(
      new RegisterCertificateWithoutCACommand({ certificatePem, status: 'ACTIVE' }),
    );
    return { arn: certificateArn ?? '', pem: certificatePem };
  } catch (err) {
    const known = err instanceof Error && err.name === 'ResourceAlreadyExistsException';
    const arn = known && 'resourceArn' in err ? err.resourceArn : undefined;
    if (typeof arn !== 'string') throw err;
    return { arn, pem: certificatePem };
  }
}

function alarms(
  cloudwatch: CloudWatchClient,
  topic: string,
): Pick<EnrolmentApi, 'alarmExists' | 'putAlarm'> {
  return {
    async alarmExists(name) {
      const { MetricAlarms } = await cloudwatch.send(
        new DescribeAlarmsCommand({ AlarmNames: [name] }),
      );
      return (MetricAlarms ?? []).length > 0;
    },
    async putAlarm({ name, metric, thing, periodSeconds, threshold }: DeviceAlarm) {
      await cloudwatch.send(
        new PutMetricAlarmCommand({
          AlarmName: name,
          Namespace: NAMES.metricNamespace,
          MetricName: metric,
          Dimensions: [{ Name: THING_DIMENSION, Value: thing }],
          Statistic: 'Sum',
          Period: periodSeconds,
          EvaluationPeriods: 1,
          Threshold: threshold,
          ComparisonOperator: 'GreaterThanOrEqualToThreshold',
          // Silence is no sign of misbehaviour; other rules watch for silence.
          TreatMissingData: 'notBreaching',
          AlarmActions: [topic],
          OKActions: [topic],
        }),
      );
    },
  };
}
