"""Who is let in, and to what."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from infra.settings import SettingsError
from infra.tokens import Role
from pipeline.gateway import guards
from pipeline.gateway.guarding import Guard

if TYPE_CHECKING:
    from tests.pipeline.gateway.conftest import Door, NewDoor


@pytest.mark.parametrize(
    ("header", "challenge", "detail"),
    [
        (None, 'Bearer realm="parley"', "a token is needed: Authorization: Bearer TOKEN"),
        ("Bearer rubbish", 'Bearer realm="parley", error="invalid_token"', "the token is not readable"),
        ("Basic YTpi", 'Bearer realm="parley", error="invalid_token"', "the token is not readable"),
        ("Bearer", 'Bearer realm="parley"', "a token is needed"),
    ],
)
async def test_without_a_good_token_nobody_is_known(
    door: "Door", header: str | None, challenge: str, detail: str
) -> None:
    answer = await door.client.get("/api/me", headers={"Authorization": header} if header else {})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == challenge
    assert answer.json()["detail"].startswith(detail)


async def test_an_expired_token_is_told_from_a_forged_one(door: "Door") -> None:
    claims = {"sub": "ann", "exp": 1}
    expired = jwt.encode(claims, door.settings.gateway.key.get_secret_value(), "HS256")  # type: ignore[union-attr]  # there
    forged = jwt.encode({"sub": "ann", "exp": 2e9}, "x" * 40, "HS256")

    answers = [
        (await door.client.get("/api/me", headers={"Authorization": f"Bearer {token}"})).json()["detail"]
        for token in (expired, forged)
    ]

    assert answers[0] == "exp: the token has expired; get a new one"
    assert answers[1].startswith("the token's signature does not fit the key")


async def test_a_good_token_lets_its_user_in(door: "Door") -> None:
    answer = await door.client.get("/api/me", headers={"authorization": f"bearer  {door.token('bob')} "})

    assert (answer.status_code, answer.json()) == (200, "bob")


async def test_two_tokens_are_none(door: "Door") -> None:
    two = [("Authorization", f"Bearer {door.token('bob')}"), ("Authorization", f"Bearer {door.token('ann')}")]

    assert (await door.client.get("/api/me", headers=two)).status_code == 401


async def test_a_token_in_the_address_line_counts_for_nothing(door: "Door") -> None:
    answer = await door.client.get("/api/me", params={"token": door.token(), "access_token": door.token()})

    assert answer.status_code == 401


async def test_what_is_for_everybody_needs_no_token_and_minds_no_bad_one(door: "Door") -> None:
    assert (await door.client.get("/health")).status_code == 200
    assert (await door.client.get("/health", headers={"Authorization": "Bearer rubbish"})).status_code == 200


async def test_whoever_is_unknown_cannot_make_the_gateway_take_in_a_body(door: "Door") -> None:
    sent = 0

    async def upload() -> Any:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(100):
            sent += 1
            yield b"x" * 65_536

    form = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await door.client.post("/api/upload", content=upload(), headers=form)

    assert answer.status_code == 401
    assert sent == 0


@pytest.mark.parametrize(
    ("user", "roles", "allowed"),
    [("ann", (), {"ann"}), ("ann", (Role.ANALYTICS,), {"ann", "bob"}), ("ann", (Role.ADMIN,), {"ann", "bob"})],
)
async def test_ones_own_or_a_role(door: "Door", user: str, roles: tuple[Role, ...], allowed: set[str]) -> None:
    answers = {
        owner: (await door.client.get(f"/api/own/{owner}", headers=door.header(user, *roles))).status_code
        for owner in ("ann", "bob")
    }

    assert answers == {owner: 200 if owner in allowed else 403 for owner in ("ann", "bob")}


async def test_the_refusal_says_what_is_missing_and_nothing_of_the_other(door: "Door") -> None:
    answer = await door.client.get("/api/own/bob", headers=door.header("ann"))

    problem = answer.json()
    assert problem["type"] == "urn:parley:problem:forbidden"
    assert problem["detail"] == "'bob' is somebody else; this needs the role analytics, which the token does not give"


async def test_a_token_without_the_role_of_a_user_opens_not_even_ones_own(door: "Door") -> None:
    key = door.settings.gateway.key
    assert key is not None
    token = jwt.encode({"sub": "ann", "exp": 2e9, "roles": ["analytics"]}, key.get_secret_value(), "HS256")
    header = {"Authorization": f"Bearer {token}"}

    assert (await door.client.get("/api/stats", headers=header)).status_code == 200
    assert (await door.client.delete("/api/history/ann", headers=header)).status_code == 403


async def test_a_role_is_needed_where_it_is_asked_for(door: "Door") -> None:
    ann, analyst = door.header("ann"), door.header("ann", Role.ANALYTICS)

    assert (await door.client.get("/api/stats", headers=ann)).status_code == 403
    assert (await door.client.get("/api/stats", headers=analyst)).status_code == 200


@pytest.mark.parametrize("owner", ["a b", "ann.", "*", ">", "%2A", "x" * 65])
async def test_an_id_that_is_none_is_named(door: "Door", owner: str) -> None:
    answer = await door.client.get(f"/api/own/{owner}", headers=door.header("ann", Role.ADMIN))

    assert answer.status_code == 422
    assert answer.json()["field"] == "user_id"


async def test_without_tokens_everybody_here_is_the_configured_user_and_may_do_all(new_door: "NewDoor") -> None:
    door = await new_door(auth="none", key=None)

    assert (await door.client.get("/api/me")).json() == "me"
    assert (await door.client.get("/api/own/bob")).status_code == 200
    assert (await door.client.delete("/api/history/bob")).json() == "gone"
    assert (await door.client.post("/api/say", json={"message": "hi"})).json() == "hi"


async def test_the_start_says_loudly_who_may_come_in(settings_of: Any) -> None:
    def line(**gateway: Any) -> str:
        return guards.told_at_start(Guard.of(settings_of(**gateway)))

    assert line(auth="none", key=None).startswith("WARNING: no token is asked for (gateway.auth: none)")
    assert line() == "tokens are asked for (gateway.auth: jwt), open to this machine"
    assert line(host="0.0.0.0").endswith("open to the network")
    assert line(trusted_proxies=["127.0.0.1"]).endswith("open to the network")
    with pytest.raises(SettingsError, match="`parley token --user NAME` makes"):
        line(key=None)


def test_the_document_says_how_one_is_known(door: "Door") -> None:
    document = door.app.openapi()

    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert document["paths"]["/api/me"]["get"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in document["paths"]["/health"]["get"]


def test_a_token_that_lasts_no_time_is_none(door: "Door") -> None:
    with pytest.raises(ValueError, match="expires"):
        door.token(lifetime=timedelta(0))
