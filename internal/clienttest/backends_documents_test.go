package clienttest

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/dunlin-mq/dunlin/connector"
	"github.com/dunlin-mq/dunlin/internal/peers"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// mongoBackends is one FerretDB in the clear and one encrypted, which wants a
// certificate of the broker as well.
func mongoBackends(t testing.TB) []*backend {
	c := peers.NewCertificates(t)
	encrypted := mongoBackend(t, c)
	encrypted.way = "TLS"
	encrypted.settings = append(encrypted.settings, "auth.mongo.ssl=on", "auth.mongo.ssl.verify=true", "auth.mongo.ssl.cacertfile="+c.CA,
		"auth.mongo.ssl.certfile="+c.ClientCert, "auth.mongo.ssl.keyfile="+c.ClientKey)
	encrypted.badAuthority = []string{"auth.mongo.ssl.cacertfile=" + c.OtherCA}
	return []*backend{mongoBackend(t, nil), encrypted}
}

func mongoBackend(t testing.TB, c *peers.Certificates) *backend {
	s := peers.Mongo(t, peers.MongoOptions{TLS: c})
	how := options.Client().SetHosts([]string{s.Addr()}).SetDirect(true).
		SetAuth(options.Credential{Username: peers.MongoUser, Password: peers.MongoPassword, AuthSource: "admin"})
	if c != nil {
		encryption, err := (&connector.TLS{Enable: true, CACertFile: c.CA, CertFile: c.ClientCert, KeyFile: c.ClientKey}).Config()
		if err != nil {
			t.Fatal(err)
		}
		how.SetTLSConfig(encryption)
	}
	client, err := mongo.Connect(how)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Disconnect(context.Background()) }) // its server may be gone
	insert := func(t testing.TB, collection string, document bson.M) {
		t.Helper()
		if _, err := client.Database("mqtt").Collection(collection).InsertOne(t.Context(), document); err != nil {
			t.Fatal(err)
		}
	}
	grant := func(t testing.TB, _ *scene, user string, r right) {
		list := map[string]string{"pub": "publish", "sub": "subscribe", "pubsub": "pubsub"}[r.action]
		insert(t, "mqtt_acl", bson.M{"username": user, list: bson.A{r.topic}})
	}
	for _, a := range accounts {
		insert(t, "mqtt_user", bson.M{"username": a.name, "password": sha256Hex(a.password), "is_superuser": a.super})
		for _, r := range a.rights {
			grant(t, nil, a.name, r)
		}
	}
	return &backend{
		provider: "mongo", refusal: mqtt.NotAuthorized, secrets: []string{peers.MongoPassword, "not-the-secret"},
		settings: []string{"auth.mongo.enable=on", "auth.mongo.server=" + s.Addr(), "auth.mongo.username=" + peers.MongoUser,
			"auth.mongo.password=" + peers.MongoPassword, "auth.mongo.auth_source=admin"},
		grant: grant, password: rightPassword, wrong: wrongPassword, server: s,
		badLogin: []string{"auth.mongo.password=not-the-secret"},
	}
}

// ldapBackends is one directory in the clear and one encrypted.
func ldapBackends(t testing.TB) []*backend {
	c := peers.NewCertificates(t)
	encrypted := ldapBackend(t, c)
	encrypted.way = "TLS"
	encrypted.settings = append(encrypted.settings, "auth.ldap.ssl=on", "auth.ldap.ssl.verify=true", "auth.ldap.ssl.cacertfile="+c.CA)
	encrypted.badAuthority = []string{"auth.ldap.ssl.cacertfile=" + c.OtherCA}
	return []*backend{ldapBackend(t, nil), encrypted}
}

// rightAttribute is where EMQ X's schema has rights.
var rightAttribute = map[string]string{"pub": "mqttPublishTopic", "sub": "mqttSubscriptionTopic", "pubsub": "mqttPubSubTopic"}

func ldapBackend(t testing.TB, c *peers.Certificates) *backend {
	ldif := "dn: ou=device,dc=emqx,dc=io\nobjectClass: organizationalUnit\nou: device\n\n"
	for _, a := range accounts {
		ldif += fmt.Sprintf("dn: uid=%s,ou=device,dc=emqx,dc=io\nobjectClass: mqttUser\nobjectClass: mqttDevice\nobjectClass: mqttSecurity\nuid: %[1]s\n"+
			"isEnabled: TRUE\nuserPassword:: %s\n", a.name, base64.StdEncoding.EncodeToString([]byte(a.password)))
		for _, r := range a.rights {
			ldif += rightAttribute[r.action] + ": " + r.topic + "\n"
		}
		ldif += "\n"
	}
	s := peers.LDAP(t, peers.LDAPOptions{LDIF: ldif, TLS: c})
	return &backend{
		provider: "ldap", refusal: mqtt.NotAuthorized, secrets: []string{peers.LDAPPassword, "not-the-secret"},
		settings: []string{"auth.ldap.enable=on", "auth.ldap.servers=" + s.Addr(), "auth.ldap.bind_dn=" + peers.LDAPRoot, "auth.ldap.bind_password=" + peers.LDAPPassword},
		grant:    func(t testing.TB, _ *scene, user string, r right) { addRight(t, s, c, user, r) },
		password: rightPassword, wrong: wrongPassword, server: s,
		badLogin: []string{"auth.ldap.bind_password=not-the-secret"},
		alike:    []string{"ANN", " ann", "ann "},
	}
}

// addRight changes an entry with the directory's own tool.
func addRight(t testing.TB, s *peers.Server, c *peers.Certificates, user string, r right) {
	t.Helper()
	url := "ldap://" + s.Addr()
	cmd := exec.Command("ldapmodify", "-x", "-D", peers.LDAPRoot, "-w", peers.LDAPPassword)
	if c != nil {
		url = "ldaps://" + s.Addr()
		cmd.Env = append(os.Environ(), "LDAPTLS_CACERT="+c.CA)
	}
	cmd.Args = append(cmd.Args, "-H", url)
	cmd.Stdin = strings.NewReader(fmt.Sprintf("dn: uid=%s,ou=device,dc=emqx,dc=io\nchangetype: modify\nadd: %s\n%[2]s: %s\n", user, rightAttribute[r.action], r.topic))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ldapmodify: %v\n%s", err, out)
	}
}
