import { commandFilter, jobTopics, shadowTopics, telemetryTopic } from '../device-protocol/topics';
import { conditionsHold } from './conditions';
import { factsOf } from './context';
import { parseDocument } from './document';
import { policyArn } from './documents';
import { evaluate } from './evaluate';
import { finding, lintDeny, lintElements, lintSize } from './lint-form';
import { clientIdRuleHolds, residualAllows } from './residual';
import type { Connection, LintFinding, Place, PolicyRequest } from './types';

interface Subject {
  device: string;
  quarantine: string;
  place: Place;
}

/** Stand-ins for a device and for another one. Nothing in a policy may depend on which. */
const OWN = 'lint-device-A1';
const OTHER = 'lint-other_B2';

const viaMqtt: Connection = { clientId: OWN, thing: OWN, attached: true };
const viaHttps: Connection = { clientId: null, thing: null, attached: false };
/** Allows everything to everyone: a Deny that stands against it stands against any policy. */
const WIDE_OPEN = JSON.stringify({
  Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }],
});

/**
 * Proves, by evaluating the documents, that quarantine leaves a device its own connection and Jobs topics and nothing
 * else, over MQTT and HTTPS, on its own and on foreign topics. Evidence goes by presigned URL and needs no topic.
 * Empty means proven for every request, not for samples of them.
 */
export function lintQuarantine(device: string, quarantine: string, place: Place): LintFinding[] {
  const subject = { device, quarantine, place };
  const unreadable = [...lintElements('device', device), ...lintElements('quarantine', quarantine)];
  if (unreadable.length > 0) return unreadable;
  return [
    ...lintSize('device', device),
    ...lintSize('quarantine', quarantine),
    ...lintClientId(subject),
    ...lintAttachedOnly(subject),
    ...lintDeviceWorks(subject),
    ...lintDeny(quarantine),
    ...lintComplete(subject),
    ...lintHttps(subject),
    ...lintJobsOpen(subject),
  ];
}

function lintClientId({ device, quarantine, place }: Subject): LintFinding[] {
  return (['device', 'quarantine'] as const)
    .filter((which) => {
      const document = which === 'device' ? device : quarantine;
      return !clientIdRuleHolds([document], { thing: OWN, place });
    })
    .map((which) =>
      finding(
        'client-id',
        which,
        'a client id other than the name of a thing of the certificate may connect, out of reach of the group Deny',
        'allow iot:Connect on client/${iot:Connection.Thing.ThingName} only, with Bool iot:Connection.Thing.IsAttached true',
      ),
    );
}

/** A connection that AWS can't tie to the thing must match no Allow, so that it can't outlive a group Deny. */
function lintAttachedOnly({ device, quarantine }: Subject): LintFinding[] {
  const outsiders = [viaHttps, { clientId: OWN, thing: OWN, attached: false }].map(factsOf);
  return (['device', 'quarantine'] as const).flatMap((which) =>
    parseDocument(which === 'device' ? device : quarantine)
      .filter((statement) => statement.Effect === 'Allow')
      .filter((statement) =>
        outsiders.some((facts) => conditionsHold(statement.Condition, facts) !== 'no'),
      )
      .map((statement) =>
        finding(
          'attached-only',
          which,
          `the Allow of ${String(statement.Action)} holds without IsAttached, so over HTTPS too`,
          'add Condition Bool iot:Connection.Thing.IsAttached true to it',
        ),
      ),
  );
}

/** The positive control: a policy that allows nothing would pass every other rule. */
function lintDeviceWorks({ device, place }: Subject): LintFinding[] {
  const needed: [string, string][] = [
    ['iot:Connect', `client/${OWN}`],
    ['iot:Publish', `topic/${telemetryTopic(OWN)}`],
    ['iot:Publish', `topic/${shadowTopics.update(OWN)}`],
    ['iot:Subscribe', `topicfilter/${shadowTopics.rejected(OWN)}`],
    ['iot:Subscribe', `topicfilter/${commandFilter(OWN)}`],
    ...jobRequests(OWN),
  ];
  return needed
    .filter(([action, resource]) => !allowed([device], viaMqtt, action, resource, place))
    .map(([action, resource]) =>
      finding(
        'device-works',
        'device',
        `a healthy device may not ${action} on its own ${resource}`,
        `allow ${action} on it`,
      ),
    );
}

function lintComplete({ device, quarantine, place }: Subject): LintFinding[] {
  const documents = [
    { policy: 'device', document: device },
    { policy: 'quarantine', document: quarantine },
  ];
  return residualAllows({ documents, quarantine, thing: OWN, place }).map(
    ({ policy, action, resource, witness }) =>
      finding(
        'deny-complete',
        policy === 'device' ? 'device' : 'quarantine',
        `${action} on ${resource} stays allowed under quarantine${witness ? `: ${witness.resource}` : ''}`,
        'deny its namespace in the quarantine policy, or take the Allow away',
      ),
  );
}

/** The Deny alone, on a certificate, must stand against any other policy of that certificate. */
function lintHttps({ quarantine, place }: Subject): LintFinding[] {
  const shut: [string, string][] = [OWN, OTHER].flatMap((thing): [string, string][] => [
    ['iot:Publish', `topic/${telemetryTopic(thing)}`],
    ['iot:RetainPublish', `topic/${telemetryTopic(thing)}`],
    ['iot:Receive', `topic/cmd/${thing}/reboot`],
    ['iot:Subscribe', `topicfilter/${commandFilter(thing)}`],
    ['iot:Publish', `topic/${shadowTopics.update(thing)}`],
    ['iot:Publish', `topic/$aws/things/${thing}/shadow/name/config/update`],
    ['iot:UpdateThingShadow', `thing/${thing}`],
    ['iot:Publish', 'topic/$aws/rules/iot_runbooks_telemetry/dt/x'],
  ]);
  const findings = shut
    .filter(([action, resource]) =>
      [viaHttps, viaMqtt].some((connection) =>
        allowed([WIDE_OPEN, quarantine], connection, action, resource, place),
      ),
    )
    .map(([action, resource]) =>
      finding(
        'deny-over-https',
        'quarantine',
        `${action} on ${resource} is not denied to a certificate that has a wider policy as well`,
        'deny the namespace by a literal prefix, without a condition',
      ),
    );
  if (
    !allowed(
      [WIDE_OPEN, quarantine],
      viaHttps,
      'iot:AssumeRoleWithCertificate',
      'rolealias/any',
      place,
    )
  ) {
    return findings;
  }
  return [
    ...findings,
    finding(
      'credentials',
      'quarantine',
      'a contained device may still fetch AWS credentials through a role alias',
      'deny iot:AssumeRoleWithCertificate on *',
    ),
  ];
}

/** With its own policies and, once those are detached, with the quarantine policy alone. */
function lintJobsOpen({ device, quarantine, place }: Subject): LintFinding[] {
  const needed: [string, string][] = [['iot:Connect', `client/${OWN}`], ...jobRequests(OWN)];
  return needed
    .filter(([action, resource]) =>
      [[device, quarantine, quarantine], [quarantine]].some(
        (documents) => !allowed(documents, viaMqtt, action, resource, place),
      ),
    )
    .map(([action, resource]) =>
      finding(
        'jobs-open',
        'quarantine',
        `a contained device may not ${action} on its own ${resource}, so no job can reach it`,
        'keep the Deny off $aws/things/*/jobs and allow the agent’s own Jobs topics',
      ),
    );
}

function allowed(
  documents: string[],
  connection: Connection,
  action: string,
  resource: string,
  place: Place,
): boolean {
  const request: PolicyRequest = { ...connection, action, resource: policyArn(place, resource) };
  return evaluate(documents, request) === 'allowed';
}

/** Every request the agent makes of Jobs over MQTT. */
export function jobRequests(thing: string): [action: string, resource: string][] {
  const filters = [jobTopics.notify(thing), ...jobTopics.replies(thing)];
  return [
    ['iot:Publish', `topic/${jobTopics.getPending(thing)}`],
    ['iot:Publish', `topic/${jobTopics.describe(thing, 'some-job')}`],
    ['iot:Publish', `topic/${jobTopics.update(thing, 'some-job')}`],
    ...filters.flatMap((filter): [string, string][] => [
      ['iot:Subscribe', `topicfilter/${filter}`],
      ['iot:Receive', `topic/${filter.replace('+', 'some-job')}`],
    ]),
  ];
}
