"""Gap: a policy attached to a thing group is stored and listed, but the broker never evaluates it.

AWS page: https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html (attached policies are inherited by child
groups) and iot-policies.html (they reach a session only when its client id is the name of a thing attached to its certificate).
Does: adds the policies of the thing's groups, and of their parents, to those of the certificate.
"""

from __future__ import annotations

from typing import Iterator

from ministack.core.responses import request_scope
from ministack.services import iot

from settings import Settings


def apply(_settings: Settings) -> None:
    stock = iot._mqtt_policy_allows

    def allows(
        account: str, region: str, certificate: str, context: dict, action: str, resource: str,
        template: str | None = None,
    ) -> bool:
        if template is not None:
            return stock(account, region, certificate, context, action, resource, template)
        with request_scope(account, region):
            documents = _documents(certificate, context.get("iot:connection.thing.thingname"))
        request = iot.EvalContext(
            principal_arn=f"arn:aws:iot:{region}:{account}:cert/{certificate}",
            principal_type="Certificate",
            principal_account=account,
            action=action,
            resource_arn=f"arn:aws:iot:{region}:{account}:{resource}",
            region=region,
            service_context=context,
        )
        variables = tuple(sorted(context.items()))
        policies = [iot._parsed_iot_policy(document, variables) for document in documents]
        return iot.evaluate(request, policies).decision == "Allow"

    iot._mqtt_policy_allows = allows


def _documents(certificate: str, thing: str | None) -> list[str]:
    names = list((iot._certificates.get(certificate) or {}).get("attachedPolicies", []))
    if thing is not None:
        arns = {group["thingGroupArn"] for group in _group_chain(thing)}
        names += [name for name, policy in iot._policies.items() if arns & set(policy.get("targets", []))]
    policies = [iot._policies.get(name) for name in dict.fromkeys(names)]
    return [policy["versions"][policy["defaultVersionId"]]["document"] for policy in policies if policy]


def _group_chain(thing: str) -> Iterator[dict]:
    for group in list(iot._thing_groups.values()):
        if thing in group.get("things", []):
            while group:
                yield group
                parent = (group.get("thingGroupMetadata") or {}).get("parentGroupName")
                group = iot._thing_groups.get(parent) if parent else None
