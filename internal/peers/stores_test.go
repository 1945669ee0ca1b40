package peers

import (
	"strings"
	"testing"
)

func TestRedis(t *testing.T) {
	s := Redis(t, RedisOptions{Password: "secret"})
	if got := redisCLI(t, s, "secret", "ping"); got != "PONG\n" {
		t.Errorf("answered %q", got)
	}
	s.Kill()
	s.Start()
	if got := redisCLI(t, s, "secret", "ping"); got != "PONG\n" {
		t.Errorf("after its return it answered %q", got)
	}
}

func TestRedisCluster(t *testing.T) {
	nodes := RedisCluster(t, RedisOptions{Password: "secret"})
	if got := redisCLI(t, nodes[0], "secret", "cluster", "nodes"); strings.Count(got, "connected") != len(nodes) {
		t.Errorf("expected %d nodes:\n%s", len(nodes), got)
	}
}

func TestRedisSentinel(t *testing.T) {
	s := RedisSentinel(t, "secret")
	if got := redisCLI(t, s.Sentinel, "", "sentinel", "get-master-addr-by-name", s.Name); !strings.Contains(got, "127.0.0.1") {
		t.Errorf("the sentinel names the master %q", got)
	}
}

func TestMongo(t *testing.T) {
	s := Mongo(t, MongoOptions{})
	s.Kill()
	s.Start()
	Mongo(t, MongoOptions{TLS: NewCertificates(t)})
}

func TestLDAP(t *testing.T) {
	s := LDAP(t, LDAPOptions{LDIF: "dn: ou=device,dc=emqx,dc=io\nobjectClass: organizationalUnit\nou: device\n"})
	LDAPModify(t, s, `dn: uid=u1,ou=device,dc=emqx,dc=io
changetype: add
objectClass: mqttDevice
objectClass: mqttUser
objectClass: mqttSecurity
uid: u1
userPassword: secret
isEnabled: TRUE
mqttPublishTopic: a/+
mqttSubscriptionTopic: b/#
mqttPubSubTopic: c
`)
	LDAP(t, LDAPOptions{TLS: NewCertificates(t), ClientCertificate: true})
}
