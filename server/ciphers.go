package server

import (
	"crypto/tls"
	"fmt"
	"strings"
)

// openSSL maps the names that configurations use to the TLS 1.2 suites that
// are spoken. RC4 and triple DES are not among them: both are broken.
var openSSL = map[string]uint16{
	"ECDHE-ECDSA-AES128-GCM-SHA256": tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-ECDSA-AES256-GCM-SHA384": tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-ECDSA-CHACHA20-POLY1305": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-ECDSA-AES128-SHA256":     tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
	"ECDHE-ECDSA-AES128-SHA":        tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
	"ECDHE-ECDSA-AES256-SHA":        tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	"ECDHE-RSA-AES128-GCM-SHA256":   tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-RSA-AES256-GCM-SHA384":   tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-RSA-CHACHA20-POLY1305":   tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-RSA-AES128-SHA256":       tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
	"ECDHE-RSA-AES128-SHA":          tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	"ECDHE-RSA-AES256-SHA":          tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	"AES128-GCM-SHA256":             tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
	"AES256-GCM-SHA384":             tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
	"AES128-SHA256":                 tls.TLS_RSA_WITH_AES_128_CBC_SHA256,
	"AES128-SHA":                    tls.TLS_RSA_WITH_AES_128_CBC_SHA,
	"AES256-SHA":                    tls.TLS_RSA_WITH_AES_256_CBC_SHA,
}

// suites13 are the suites of TLS 1.3, all of which are spoken whatever is
// configured.
const suites13 = " TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256 TLS_AES_128_CCM_SHA256 TLS_AES_128_CCM_8_SHA256 "

// cipherWords are what OpenSSL's names of suites are put together from. A name
// of such words only is a suite that exists somewhere; any other is a mistake.
const cipherWords = " ECDHE EECDH ECDH AECDH DHE EDH DH ADH RSA ECDSA DSS PSK SRP KRB5 GOST EXP NULL " +
	"AES128 AES256 AES 128 256 CAMELLIA128 CAMELLIA256 ARIA128 ARIA256 SEED IDEA DES 3DES DES3 RC2 RC4 CHACHA20 " +
	"CBC CBC3 EDE GCM CCM CCM8 8 POLY1305 SHA SHA1 SHA256 SHA384 MD5 "

// cipherSuites are the TLS 1.2 suites behind OpenSSL's names, and the names
// that nothing is spoken for. With a name that is no suite at all there is an
// error. For TLS 1.2 the order is Go's, not the configuration's.
func cipherSuites(names []string) (ids []uint16, unspoken []string, err error) {
	ids = []uint16{} // not nil, which would mean Go's own choice
	for _, name := range names {
		id, spoken := openSSL[name]
		switch {
		case spoken:
			ids = append(ids, id)
		case strings.Contains(suites13, " "+name+" "):
		case isCipherName(name):
			unspoken = append(unspoken, name)
		default:
			return nil, nil, fmt.Errorf("expected names of cipher suites as OpenSSL has them, such as ECDHE-ECDSA-AES128-GCM-SHA256, found %q", name)
		}
	}
	return ids, unspoken, nil
}

func isCipherName(name string) bool {
	for word := range strings.SplitSeq(name, "-") {
		if word == "" || !strings.Contains(cipherWords, " "+word+" ") {
			return false
		}
	}
	return true
}
