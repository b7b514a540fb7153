"""An immutable snapshot of the whole service, swapped whole when anything changes.

All rules are worked out once, when the snapshot is made, so that a question costs one look-up:
connections are judged at connect, again after AUTH and again at each MAIL (D-19, CBR-11, CBR-13).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from ipaddress import summarize_address_range

from reference_relay.service.address_set import NO_ADDRESS, AddressSet
from reference_relay.service.cbr import admitted_addresses, rehearsed_addresses
from reference_relay.service.endpoints import Endpoint, EndpointType, endpoint_region
from reference_relay.service.model import Account, Configuration, Instance, LegacyAllowlist

_log = logging.getLogger(__name__)


class Directory:
    """Who may send, and from where.

    Args:
        profile: The key of the endpoint table in force.
        instances: All instances; user names and ids are unique over all of them (S-19).

    Raises:
        UnknownRegion: An instance is in a region the profile does not know.
        ValueError: A configuration id exists twice, or a user name other than by cloning.
    """

    def __init__(self, profile: str, instances: Iterable[Instance]) -> None:
        self.profile = profile
        self.instances = tuple(instances)
        self._accounts: dict[str, tuple[Account, ...]] = {}
        self._configurations: dict[str, Configuration] = {}
        self._endpoint_regions: dict[str, str] = {}
        self._by_instance: dict[tuple[str, EndpointType], AddressSet] = {}
        self._rehearsed: dict[tuple[str, EndpointType], AddressSet] = {}
        self._legacy: dict[str, list[LegacyAllowlist]] = {}
        for instance in self.instances:
            self._enter(instance)
        self._by_endpoint = self._union_of_instances()

    def admits_connection(self, endpoint: Endpoint, address: str, now: float) -> bool:
        """Tell whether any instance of the endpoint admits the address.

        Before AUTH nobody knows which instance a client belongs to, so this is the union of all of
        them; `admits_account` narrows it down (CBR-11).
        """
        if address in self._by_endpoint.get((endpoint.region, endpoint.type), NO_ADDRESS):
            return True
        legacy = self._legacy.get(endpoint.region, ())
        return any(now < one.deadline and address in one.addresses for one in legacy)

    def accounts(self, username: str) -> tuple[Account, ...]:
        """Find the accounts of a user name, compared octet for octet.

        More than one if the user was cloned: the same credentials, each for another domain of the
        same instance.
        """
        return self._accounts.get(username, ())

    def account(self, username: str) -> Account | None:
        """Find the oldest account of a user name."""
        found = self.accounts(username)
        return found[0] if found else None

    def admits_account(
        self, account: Account, endpoint: Endpoint, address: str, now: float
    ) -> bool:
        """Tell whether the account may use this endpoint from that address (CBR-11, EPT-05)."""
        instance = account.instance
        if self._endpoint_regions.get(instance.id) != endpoint.region:
            return False
        key = (instance.id, endpoint.type)
        if address in self._by_instance[key]:
            if address not in self._rehearsed[key]:
                _log.info(
                    "event=cbr_report instance=%s endpoint=%s address=%s"
                    " decision=deny enforced=false",
                    instance.id,
                    endpoint.key,
                    address,
                )
            return True
        legacy = account.configuration.legacy
        return legacy is not None and now < legacy.deadline and address in legacy.addresses

    def admitted_subnets(self, instance_id: str) -> list[str]:
        """List the subnets that the rules of an instance let in, through whatever endpoint."""
        admitted = AddressSet.union(self._by_instance[instance_id, type] for type in EndpointType)
        return [
            str(network)
            for first, last in admitted.runs()
            for network in summarize_address_range(first, last)
        ]

    def configuration(self, configuration_id: str) -> Configuration | None:
        """Find a configuration by its id."""
        return self._configurations.get(configuration_id)

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        """All configurations of all instances."""
        return tuple(self._configurations.values())

    def _enter(self, instance: Instance) -> None:
        if instance.id in self._endpoint_regions:
            raise ValueError(f"instance {instance.id} exists twice")
        self._endpoint_regions[instance.id] = endpoint_region(self.profile, instance.region)
        for endpoint_type in EndpointType:
            key = (instance.id, endpoint_type)
            self._by_instance[key] = admitted_addresses(instance.rules, endpoint_type)
            self._rehearsed[key] = rehearsed_addresses(instance.rules, endpoint_type)
        for configuration in instance.configurations:
            if configuration.id in self._configurations:
                raise ValueError(f"configuration {configuration.id} exists twice")
            self._configurations[configuration.id] = configuration
            if configuration.legacy is not None:
                region = self._endpoint_regions[instance.id]
                self._legacy.setdefault(region, []).append(configuration.legacy)
            for user in configuration.users:
                self._enter_user(Account(user, configuration, instance))

    def _enter_user(self, account: Account) -> None:
        name = account.user.username
        others = self._accounts.get(name, ())
        if any(
            one.configuration.id == account.configuration.id
            or one.instance.id != account.instance.id
            or one.user.password_hash != account.user.password_hash
            for one in others
        ):
            raise ValueError(f"user name {name!r} exists twice")
        self._accounts[name] = (*others, account)

    def _union_of_instances(self) -> dict[tuple[str, EndpointType], AddressSet]:
        parts: dict[tuple[str, EndpointType], list[AddressSet]] = {}
        for (instance_id, endpoint_type), admitted in self._by_instance.items():
            region = self._endpoint_regions[instance_id]
            parts.setdefault((region, endpoint_type), []).append(admitted)
        return {key: AddressSet.union(sets) for key, sets in parts.items()}
