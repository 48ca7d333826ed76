import pytest

from tests.services.choice import SETTING, ServicesMissing, choose


def test_containers_are_used_when_an_engine_answers() -> None:
    assert choose({}, docker_answers=True, missing_programs=[]) == "containers"
    assert choose({}, docker_answers=True, missing_programs=["rabbitmq-server"]) == "containers"


def test_own_processes_are_used_when_no_engine_answers() -> None:
    assert choose({}, docker_answers=False, missing_programs=[]) == "processes"


def test_the_setting_decides_when_it_is_given() -> None:
    assert choose({SETTING: "processes"}, docker_answers=True, missing_programs=[]) == "processes"
    assert choose({SETTING: "containers"}, docker_answers=True, missing_programs=[]) == "containers"


def test_missing_servers_are_named_with_what_to_do() -> None:
    with pytest.raises(ServicesMissing, match=r"redis-server.*install\.sh"):
        choose({}, docker_answers=False, missing_programs=["redis-server"])


def test_asked_containers_without_an_engine_are_an_error_and_not_a_fallback() -> None:
    with pytest.raises(ServicesMissing, match="no Docker engine answers"):
        choose({SETTING: "containers"}, docker_answers=False, missing_programs=[])


def test_an_unknown_setting_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(ServicesMissing, match="allowed are 'containers' and 'processes'"):
        choose({SETTING: "podman"}, docker_answers=True, missing_programs=[])
