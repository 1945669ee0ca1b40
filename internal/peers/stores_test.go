package peers

import (
	"context"
	"net"
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

func TestEtcd(t *testing.T) {
	s := Etcd(t, EtcdOptions{})
	EtcdCtl(t, s, "put", "a", "b")
	s.Kill()
	s.Start()
	if got := EtcdCtl(t, s, "get", "a", "--print-value-only"); got != "b" {
		t.Errorf("after its return it answered %q", got)
	}
	Etcd(t, EtcdOptions{TLS: NewCertificates(t), ClientCertificate: true})
}

func TestDNS(t *testing.T) {
	s := DNS(t, "--host-record=n1.example.org,10.0.0.1")
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Addr())
	}}
	if got, err := resolver.LookupHost(t.Context(), "n1.example.org"); err != nil || len(got) != 1 || got[0] != "10.0.0.1" {
		t.Errorf("answered %v, %v", got, err)
	}
}
