"""Judges what a device may do, by the policies of its certificate and of the groups of its thing."""

from __future__ import annotations

from ministack.services import iot

from policy_view import PolicyView, Snapshot


def allows(
    view: PolicyView, account: str, region: str, certificate: str, context: dict[str, str], action: str, resource: str
) -> bool:
    """`context` holds policy variables in lower case; one that is missing makes what needs it not match."""
    principal = f"arn:aws:iot:{region}:{account}:cert/{certificate}"
    snapshot = view.effective(account, region, principal)
    thing = context.get("iot:connection.thing.thingname")
    targets = targets_of(snapshot, account, region, principal, thing)
    request = iot.EvalContext(
        principal_arn=principal,
        principal_type="Certificate",
        principal_account=account,
        action=action,
        resource_arn=f"arn:aws:iot:{region}:{account}:{resource}",
        region=region,
        service_context=context,
    )
    variables = tuple(sorted(context.items()))
    statements = [
        iot._parsed_iot_policy(snapshot.documents[name], variables) for name in snapshot.policy_names(targets)
    ]
    return iot.evaluate(request, statements).decision == "Allow"


def targets_of(snapshot: Snapshot, account: str, region: str, principal: str | None, thing: str | None) -> list[str]:
    """The ARNs whose policies count for this principal connected as this thing."""
    groups = snapshot.group_chain(thing) if thing is not None else ()
    group_arns = [f"arn:aws:iot:{region}:{account}:thinggroup/{group}" for group in groups]
    return [*([principal] if principal is not None else []), *group_arns]
