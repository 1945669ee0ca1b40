package mongodb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// lookup asks DNS for the servers of a name, as the initial DNS seed list of
// MongoDB has it. It doesn't leave that to the library, which would ask
// without a context, and refuse to be made while DNS is away.
func (c *Config) lookup(ctx context.Context, dns *net.Resolver) (seeds, error) {
	name := strings.TrimSuffix(c.Servers[0].Host, ".")
	_, records, err := dns.LookupSRV(ctx, "mongodb", "tcp", name)
	if err != nil {
		return seeds{}, err
	}
	found := seeds{authSource: c.AuthSource, replicaSet: c.ReplicaSet}
	for _, r := range records {
		host := strings.TrimSuffix(r.Target, ".")
		if !related(host, name) {
			return seeds{}, fmt.Errorf("the SRV record of %s names %s, which is of another domain", name, host)
		}
		found.hosts = append(found.hosts, net.JoinHostPort(host, strconv.Itoa(int(r.Port))))
	}
	return found, found.addText(ctx, dns, name)
}

// related reports whether a server stands below the domain of the name that
// was asked for. It keeps a forged record from leading passwords elsewhere.
func related(host, name string) bool {
	_, domain, _ := strings.Cut(name, ".")
	return strings.HasSuffix(strings.ToLower(host), "."+strings.ToLower(domain))
}

// addText adds what the TXT record says where the configuration says nothing.
func (s *seeds) addText(ctx context.Context, dns *net.Resolver, name string) error {
	texts, err := dns.LookupTXT(ctx, name)
	if missing := new(net.DNSError); errors.As(err, &missing) && missing.IsNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	for _, text := range texts {
		says, err := url.ParseQuery(text)
		if err != nil {
			return fmt.Errorf("the TXT record of %s: %w", name, err)
		}
		if s.authSource == "" {
			s.authSource = says.Get("authSource")
		}
		if s.replicaSet == "" {
			s.replicaSet = says.Get("replicaSet")
		}
	}
	return nil
}
