package jwt

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"github.com/go-jose/go-jose/v4"
)

// prove returns the payload if one of the keys has signed it.
func (t *Tokens) prove(signed *jose.JSONWebSignature, keys []key) ([]byte, error) {
	signature := &signed.Signatures[0]
	alg, fits := jose.SignatureAlgorithm(signature.Protected.Algorithm), false
	if t.config.SignatureFormat == "der" {
		signature.Signature = fromDER(signature.Signature, alg)
	}
	for _, k := range keys {
		if !k.proves(alg) {
			continue
		}
		fits = true
		if payload, err := signed.Verify(k.material); err == nil {
			return payload, nil
		}
	}
	if !fits {
		return nil, fmt.Errorf("no key is for its algorithm %s", alg)
	}
	return nil, errors.New("its signature is wrong")
}

// fromDER turns an ECDSA signature in ASN.1 into the two numbers of fixed size
// that RFC 7518, 3.4 asks for; anything else it returns as it is.
func fromDER(signature []byte, alg jose.SignatureAlgorithm) []byte {
	size := map[jose.SignatureAlgorithm]int{jose.ES256: 32, jose.ES384: 48, jose.ES512: 66}[alg]
	if size == 0 || len(signature) == 2*size || !bytes.HasPrefix(signature, []byte{0x30}) {
		return signature
	}
	var numbers struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(signature, &numbers)
	if err != nil || len(rest) > 0 || !fitsIn(numbers.R, size) || !fitsIn(numbers.S, size) {
		return signature
	}
	raw := make([]byte, 2*size)
	numbers.R.FillBytes(raw[:size])
	numbers.S.FillBytes(raw[size:])
	return raw
}

func fitsIn(n *big.Int, size int) bool { return n.Sign() >= 0 && n.BitLen() <= 8*size }
