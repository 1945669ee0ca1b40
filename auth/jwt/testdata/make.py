"""Makes the keys and tokens of this folder, by hand and rarely:

    python3 -m venv venv && venv/bin/pip install 'PyJWT[crypto]==2.10.1'
    venv/bin/python make.py

PyJWT and pyca/cryptography are implementations apart from the ones the tests
prove: none of their code is Go. The private keys are thrown away.
"""

import base64
import datetime
import json
import pathlib

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import NameOID

HERE = pathlib.Path(__file__).parent
SECRET = "a secret of thirty-two bytes or more, for once"
CLAIMS = {
    "iss": "PyJWT",
    "username": "alice",
    "clientid": "c1",
    "iat": 1600000000,
    "exp": 4102444800,  # 2100
    "acl": {"pub": ["up/%c/#"], "sub": ["down/%u"], "all": ["chat/+"]},
}

keys = {
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "other": ec.generate_private_key(ec.SECP256R1()),
}
fits = {
    "rsa": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
    "p256": ["ES256"],
    "p384": ["ES384"],
    "p521": ["ES512"],
    "ed25519": ["EdDSA"],
}


def pem(key, form=serialization.PublicFormat.SubjectPublicKeyInfo):
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


for name, key in keys.items():
    (HERE / f"{name}.pem").write_bytes(pem(key))
(HERE / "rsa-pkcs1.pem").write_bytes(pem(keys["rsa"], serialization.PublicFormat.PKCS1))

subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tokens")])
certificate = (
    x509.CertificateBuilder()
    .subject_name(subject)
    .issuer_name(subject)
    .public_key(keys["p256"].public_key())
    .serial_number(1)
    .not_valid_before(datetime.datetime(2020, 1, 1))
    .not_valid_after(datetime.datetime(2100, 1, 1))
    .sign(keys["p256"], hashes.SHA256())
)
# An authority behind the certificate, whose key must not count.
chain = (
    x509.CertificateBuilder()
    .subject_name(subject)
    .issuer_name(subject)
    .public_key(keys["other"].public_key())
    .serial_number(2)
    .not_valid_before(datetime.datetime(2020, 1, 1))
    .not_valid_after(datetime.datetime(2100, 1, 1))
    .sign(keys["other"], hashes.SHA256())
)
(HERE / "certificate.pem").write_bytes(
    certificate.public_bytes(serialization.Encoding.PEM) + chain.public_bytes(serialization.Encoding.PEM)
)

tokens = {}
for alg in ["HS256", "HS384", "HS512"]:
    tokens[alg] = jwt.encode(CLAIMS, SECRET, alg)
tokens["HS256 emqxsecret"] = jwt.encode(CLAIMS, "emqxsecret", "HS256")
tokens["HS512 emqxsecret"] = jwt.encode(CLAIMS, "emqxsecret", "HS512")
for name, algs in fits.items():
    for alg in algs:
        tokens[alg] = jwt.encode(CLAIMS, keys[name], alg, headers={"kid": name})
        tokens[alg + " no kid"] = jwt.encode(CLAIMS, keys[name], alg)
tokens["ES256 other"] = jwt.encode(CLAIMS, keys["other"], "ES256", headers={"kid": "p256"})
tokens["ES256 unknown kid"] = jwt.encode(CLAIMS, keys["p256"], "ES256", headers={"kid": "nobody"})
tokens["none"] = jwt.encode(CLAIMS, None, "none")

# ES* in ASN.1, as libraries for EMQ X before 4.3 made them.
for alg, size in [("ES256", 32), ("ES384", 48), ("ES512", 66)]:
    head, payload, signature = tokens[alg + " no kid"].split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    der = encode_dss_signature(int.from_bytes(raw[:size], "big"), int.from_bytes(raw[size:], "big"))
    tokens[alg + " DER"] = ".".join([head, payload, b64(der)])

# The oldest trick: the public key's text as the secret of an HMAC. PyJWT
# refuses to make it, so it is made by hand.
import hashlib
import hmac

for name in ["rsa", "p256", "ed25519"]:
    signed = b64(b'{"alg":"HS256","typ":"JWT","kid":"%s"}' % name.encode()) + "." + b64(json.dumps(CLAIMS).encode())
    mac = hmac.new(pem(keys[name]), signed.encode(), hashlib.sha256).digest()
    tokens[f"HS256 with the public key {name}"] = signed + "." + b64(mac)

jwks = {"keys": []}
for name in fits:
    algorithm = jwt.get_algorithm_by_name(fits[name][0])
    key = algorithm.to_jwk(keys[name].public_key(), as_dict=True)
    jwks["keys"].append({**key, "kid": name, "use": "sig"})

(HERE / "tokens.json").write_text(json.dumps(tokens, indent=1) + "\n")
(HERE / "jwks.json").write_text(json.dumps(jwks, indent=1) + "\n")
