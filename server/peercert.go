package server

import (
	"crypto/md5"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"

	"github.com/dunlin-mq/dunlin/hook"
)

// certInfo is what the hooks see of a certificate.
func certInfo(cert *x509.Certificate) *hook.CertInfo {
	return &hook.CertInfo{CommonName: cert.Subject.CommonName, Subject: distinguishedName(cert)}
}

// distinguishedName is a certificate's subject as RFC 2253 writes it: in the
// order of the certificate, from its end to its beginning.
func distinguishedName(cert *x509.Certificate) string {
	var names pkix.RDNSequence
	if _, err := asn1.Unmarshal(cert.RawSubject, &names); err != nil {
		return cert.Subject.String()
	}
	return names.String()
}

// nameByCert puts what the listener's peer_cert_as_username and
// peer_cert_as_clientid say in the place of what the CONNECT said. A client
// that showed no certificate keeps its own names.
func (l *listener) nameByCert(c *conn, info *hook.ClientInfo) {
	if name := c.certPart(l.cfg.PeerCertAsUsername); name != "" {
		info.Username = name
	}
	if name := c.certPart(l.cfg.PeerCertAsClientID); name != "" {
		info.ClientID = name
	}
}

// certPart is a part of the client's certificate; "": there is none. Behind
// the PROXY protocol only the common name is known.
func (c *conn) certPart(part string) string {
	info := c.info.Cert
	if info == nil {
		return ""
	}
	switch part {
	case "":
		return ""
	case "cn":
		return info.CommonName
	case "dn":
		return info.Subject
	}
	der := c.certDER()
	if der == nil {
		return ""
	}
	switch part {
	case "pem":
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	case "md5":
		sum := md5.Sum(der)
		return hex.EncodeToString(sum[:])
	}
	return string(der)
}

// certDER is the certificate that the client showed to this server's own TLS.
func (c *conn) certDER() []byte {
	k, ok := c.link.(*stream)
	if !ok {
		return nil
	}
	var state tls.ConnectionState
	switch nc := k.nc.(type) {
	case *tls.Conn:
		state = nc.ConnectionState()
	case *quicConn:
		state = nc.conn.ConnectionState().TLS
	}
	if len(state.PeerCertificates) == 0 {
		return nil
	}
	return state.PeerCertificates[0].Raw
}
