package query

import (
	"errors"
	"strings"

	"github.com/dunlin-mq/dunlin/config"
)

// LDAP is how auth.ldap finds the entry of a client, and its password.
type LDAP struct {
	// BaseDN is where the entry is. In it ${username_attr} and ${device_dn} stand
	// for the next two, and ${user} for the client's user name.
	BaseDN            string `conf:"custom_base_dn"`
	UsernameAttribute string `conf:"username.attributetype"`
	DeviceDN          string `conf:"device_dn"`

	ObjectClass string                `conf:"match_objectclass"` // that the entry has to have
	Filters     map[string]LDAPFilter `conf:"filters.$n"`        // see filter

	PasswordAttribute string `conf:"password.attributetype"`
	// BindAsUser leaves the password to the directory instead of reading it.
	BindAsUser bool `conf:"bind_as_user"`
}

// LDAPFilter wants an attribute to have a value, in which ${user} stands for
// the client's user name. Op is how it is joined to the next one.
type LDAPFilter struct {
	Key   string `conf:"key"`
	Value string `conf:"value"`
	Op    string `conf:"op" oneof:"and or"`
}

// SetDefaults gives the values of a configuration that says nothing.
func (c *LDAP) SetDefaults() {
	c.BaseDN, c.UsernameAttribute = "${username_attr}=${user},${device_dn}", "uid"
	c.DeviceDN, c.ObjectClass, c.PasswordAttribute = "ou=device,dc=emqx,dc=io", "mqttUser", "userPassword"
}

// SetDefaults gives the values of a configuration that says nothing.
func (f *LDAPFilter) SetDefaults() { f.Op = "and" }

// Validate checks what no single value shows.
func (c *LDAP) Validate() error {
	var errs []error
	need := func(key, value, what string) {
		if value == "" {
			errs = append(errs, config.Invalid(key, "expected %s", what))
		}
	}
	need("custom_base_dn", c.BaseDN, "where entries are, such as ${username_attr}=${user},${device_dn}")
	need("match_objectclass", c.ObjectClass, "a class such as mqttUser")
	need("password.attributetype", c.PasswordAttribute, "an attribute such as userPassword")
	asksForUser := strings.Contains(c.BaseDN, "${user}")
	for _, n := range config.Names(c.Filters) {
		f := c.Filters[n]
		need("filters."+n+".key", f.Key, "an attribute")
		need("filters."+n+".value", f.Value, "a value")
		if strings.Trim(f.Key, attributeLetters) != "" {
			errs = append(errs, config.Invalid("filters."+n+".key", "expected an attribute such as uid, found %q", f.Key))
		}
		asksForUser = asksForUser || strings.Contains(f.Value, "${user}")
	}
	if !asksForUser {
		errs = append(errs, config.Invalid("custom_base_dn", "expected ${user} here or in a filter, or all clients are the same entry"))
	}
	return errors.Join(errs...)
}

// attributeLetters are what names of attributes are made of, options included.
const attributeLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.;"

func (c *LDAP) base(user string) string {
	return strings.NewReplacer("${username_attr}", c.UsernameAttribute, "${user}", escape(user), "${device_dn}", c.DeviceDN).Replace(c.BaseDN)
}

// filter wants the class, and the filters: each is joined to those before it
// as the Op of the one before says, `((1 and 2) or 3)`. None of them can do
// without the class.
func (c *LDAP) filter(user string) string {
	class := equals("objectClass", escape(c.ObjectClass))
	joined, op := "", ""
	for _, n := range config.Names(c.Filters) {
		f := c.Filters[n]
		one := equals(f.Key, escape(strings.ReplaceAll(f.Value, "${user}", user)))
		switch {
		case joined == "":
			joined = one
		case op == "or":
			joined = "(|" + joined + one + ")"
		default:
			joined = "(&" + joined + one + ")"
		}
		op = f.Op
	}
	if joined == "" {
		return class
	}
	return "(&" + class + joined + ")"
}

func equals(attribute, value string) string { return "(" + attribute + "=" + value + ")" }

// escape writes a value so that nothing in it has a meaning in a distinguished
// name, RFC 4514, or in a filter, RFC 4515: both read \ and two hexadecimal
// digits as one byte.
func escape(value string) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	for i := range len(value) {
		switch c := value[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == '@':
			b.WriteByte(c)
		default:
			b.Write([]byte{'\\', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
