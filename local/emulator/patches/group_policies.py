"""Gap: a policy attached to a thing group is stored and listed, but the broker never evaluates it.

AWS pages: https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html (policies are inherited by child groups),
https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html (changes take time: policies are cached; a group's
policies reach a session only when its client id is the name of a thing attached to its certificate).
Does: adds the policies of the thing's groups, and of their parents, to those of the certificate. Every publish is judged anew.
EMULATOR_POLICY_DELAY_MS holds back changes of policies, attachments and membership from the broker, live sessions included.
"""

from __future__ import annotations

from ministack.services import iot

from device_policies import allows
from emulator import Emulator


def apply(emulator: Emulator) -> None:
    view = emulator.policies
    stock = iot._mqtt_policy_allows

    def mqtt_policy_allows(
        account: str,
        region: str,
        certificate: str,
        context: dict[str, str],
        action: str,
        resource: str,
        template: str | None = None,
    ) -> bool:
        if template is not None:
            return stock(account, region, certificate, context, action, resource, template)
        return allows(view, account, region, certificate, context, action, resource)

    iot._mqtt_policy_allows = mqtt_policy_allows
