package peers

import (
	_ "embed"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// LDAPOptions are how slapd is started.
type LDAPOptions struct {
	LDIF string        // entries below LDAPSuffix, loaded before the first start
	TLS  *Certificates // nil: ldap://; else ldaps://
	// ClientCertificate refuses clients without one.
	ClientCertificate bool
}

// The directory: its suffix is there, and its root may read everything.
const (
	LDAPSuffix   = "dc=emqx,dc=io"
	LDAPRoot     = "cn=root,dc=emqx,dc=io"
	LDAPPassword = "public"
)

// ldapSchema are the attributes and classes of EMQ X.
// not regardless of case, as later versions of it have them.
//
//go:embed mqtt.schema
var ldapSchema string

// LDAP starts OpenLDAP with EMQ X's schema. Who isn't root may read all but
// passwords, and log in.
func LDAP(t testing.TB, o LDAPOptions) *Server {
	t.Helper()
	port, dir := FreePort(t), newDir(t)
	slapd := program(t, "slapd")
	schema := write(t, dir, "mqtt.schema", ldapSchema)
	conf := write(t, dir, "slapd.conf", slapdConf(dir, schema, o))
	base := fmt.Sprintf("dn: %s\nobjectClass: dcObject\nobjectClass: organization\ndc: emqx\no: emqx\n\n", LDAPSuffix)
	run(t, command([]string{program(t, "slapadd"), "-f", conf}, nil, false), base+o.LDIF)
	url := "ldap://"
	if o.TLS != nil {
		url = "ldaps://"
	}
	return launch(t, port, dir, spec{
		name: "slapd",
		argv: []string{slapd, "-f", conf, "-h", url + loopback(port), "-d", "0"},
	})
}

// LDAPModify changes entries of a running server without TLS.
func LDAPModify(t testing.TB, s *Server, ldif string) {
	t.Helper()
	run(t, exec.Command(program(t, "ldapmodify"), "-x", "-H", "ldap://"+s.Addr(), "-D", LDAPRoot, "-w", LDAPPassword), ldif)
}

func slapdConf(dir, schema string, o LDAPOptions) string {
	lines := []string{
		"include /etc/ldap/schema/core.schema",
		"include /etc/ldap/schema/cosine.schema",
		"include /etc/ldap/schema/inetorgperson.schema",
		"modulepath /usr/lib/ldap",
		"moduleload back_mdb",
		"moduleload ppolicy", // has pwdAttribute and pwdLockout
		"include " + schema,
		"pidfile " + filepath.Join(dir, "slapd.pid"),
	}
	if o.TLS != nil {
		lines = append(lines, "TLSCACertificateFile "+o.TLS.CA, "TLSCertificateFile "+o.TLS.ServerCert, "TLSCertificateKeyFile "+o.TLS.ServerKey)
		if o.ClientCertificate {
			lines = append(lines, "TLSVerifyClient demand")
		}
	}
	lines = append(lines,
		"database mdb",
		"maxsize 67108864",
		"suffix "+LDAPSuffix,
		"rootdn "+LDAPRoot,
		"rootpw "+LDAPPassword,
		"directory "+dir,
		"access to attrs=userPassword by anonymous auth by * none",
		"access to * by * read",
	)
	return strings.Join(lines, "\n") + "\n"
}
