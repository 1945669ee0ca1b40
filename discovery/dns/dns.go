// Package dns finds nodes in the records of a name server: those whose
// addresses are the A or AAAA records of a name, as a headless service of
// Kubernetes has, or whose hosts are the targets of its SRV records.
//
// It asks the resolver of the operating system or of Go, whatever the process
// uses, and caches nothing. Nobody registers here: who keeps the records is
// not its business, nor are the ports and weights in SRV records.
package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/dunlin-mq/dunlin/discovery"
)

// New returns a Discoverer. The resolver may be nil for the usual one.
func New(c discovery.DNS, self discovery.Self, resolver *net.Resolver) discovery.Discoverer {
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	return &records{c, self.App(c.App), resolver}
}

type records struct {
	discovery.DNS
	app      string
	resolver *net.Resolver
}

// Discover asks for the records. That there are none is an error.
func (r *records) Discover(ctx context.Context) ([]string, error) {
	hosts, err := r.hosts(ctx)
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound, err == nil && len(hosts) == 0:
		return nil, fmt.Errorf("DNS has no %s record of %s", strings.ToUpper(r.Type), r.Name)
	case err != nil:
		return nil, fmt.Errorf("ask DNS for the %s records of %s: %w", strings.ToUpper(r.Type), r.Name, err)
	}
	for i, host := range hosts {
		hosts[i] = r.app + "@" + host
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}

func (r *records) hosts(ctx context.Context) (hosts []string, err error) {
	if r.Type == "srv" {
		_, targets, err := r.resolver.LookupSRV(ctx, "", "", r.Name)
		for _, t := range targets { // those that can be read are there with an error as well
			hosts = append(hosts, strings.TrimSuffix(t.Target, "."))
		}
		return hosts, ignoreIfAny(err, hosts)
	}
	network := map[string]string{"a": "ip4", "aaaa": "ip6"}[r.Type]
	addrs, err := r.resolver.LookupNetIP(ctx, network, r.Name)
	for _, a := range addrs {
		hosts = append(hosts, a.Unmap().String())
	}
	return hosts, err
}

// ignoreIfAny drops the complaint about records that are no host names, as
// long as others are.
func ignoreIfAny(err error, hosts []string) error {
	if len(hosts) > 0 {
		return nil
	}
	return err
}
