"""Ways to sign in, in a few lines: people by a word that they say, and jobs by a token that a shared key signs.

[plugins.toy-signin]
key = "..."
[plugins.toy-signin.words]
ann = "hunter2"
[[plugins.toy-signin.publishers]]
subject = "acme/ball"
grants = ["acme/toys/ball:publish"]
"""

import base64
import hashlib
import hmac
import json

from orbitalreg.errors import ConfigError, ExchangeRefused, InvalidName, Unauthenticated
from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import Authenticator, Exchange, TokenExchanger
from orbitalreg.model import Grant, now

ISSUER = "toys"


class ToyAuthenticator(Authenticator):
    name = "toy-words"

    def __init__(self, surroundings):
        self._words = dict(surroundings.options.get("words", {}))
        if wrong := [user for user, word in self._words.items() if not isinstance(word, str)]:
            raise ConfigError([f"words.{user}: found what is no string; it must be a word" for user in wrong])

    def authenticate(self, credentials):
        if credentials.user not in self._words or credentials.secret is None:
            return None
        if not hmac.compare_digest(self._words[credentials.user].encode(), credentials.secret.encode()):
            raise Unauthenticated("that is not the word")
        return credentials.user


class ToyExchanger(TokenExchanger):
    name = "toy"

    def __init__(self, surroundings):
        options = surroundings.options
        self._key = str(options.get("key", ""))
        try:
            self._publishers = {
                publisher["subject"]: tuple(map(Grant.parse, publisher["grants"]))
                for publisher in options.get("publishers", ())
            }
        except (InvalidName, KeyError, TypeError) as error:
            raise ConfigError([f"publishers: found {error}; it must be a list of subjects with grants"]) from error

    @property
    def audience(self):
        return "orbitalreg-toy"

    def exchange(self, token):
        body, _, signature = token.rpartition(".")
        try:
            claims = json.loads(base64.b64decode(body, validate=True))
            if claims["iss"] != ISSUER:
                return None
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        if not self._key or not hmac.compare_digest(signature.encode(), sign(self._key, body).encode()):
            raise ExchangeRefused("the signature is wrong")
        if claims["exp"] <= now():
            raise ExchangeRefused("the token has expired")
        origin = {"project": claims["sub"], "job": claims["job"]}
        grants = self.grants(origin)
        if not grants:
            raise ExchangeRefused(f"no publisher is configured for {claims['sub']}", "invalid-publisher")
        return Exchange(claims["sub"], grants, claims["jti"], claims["exp"], claims["job"] or None, origin)

    def grants(self, origin):
        return self._publishers.get(origin.get("project"), ())


def sign(key: str, body: str) -> str:
    return hmac.new(key.encode(), body.encode(), hashlib.sha256).hexdigest()


def toy_token(key: str, subject: str = "acme/ball", jti: str = "1", job: str = "7", lasts: int = 3600, **more) -> str:
    """A token as a toy factory signs it, for a job that has `lasts` seconds left."""
    claims = {"iss": ISSUER, "sub": subject, "jti": jti, "job": job, "exp": now() + lasts * 1_000_000, **more}
    body = base64.b64encode(json.dumps(claims).encode()).decode()
    return f"{body}.{sign(key, body)}"


@hookimpl
def authenticators():
    return [ToyAuthenticator]


@hookimpl
def token_exchangers():
    return [ToyExchanger]
