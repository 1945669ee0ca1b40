package k8s

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// pod is one address behind a service.
type pod struct {
	ip       netip.Addr
	hostname string // "" but for pods of a StatefulSet whose serviceName is the service
}

// parseEndpoints reads an object v1/Endpoints.
func parseEndpoints(body []byte) ([]pod, error) {
	var object struct {
		Kind    string
		Subsets []struct {
			Addresses []struct{ IP, Hostname string } // those that are not ready stand elsewhere
		}
	}
	if err := decode(body, &object); err != nil {
		return nil, err
	}
	if object.Kind != "Endpoints" {
		return nil, fmt.Errorf("expected Endpoints, found a kind %q", object.Kind)
	}
	var pods []pod
	for _, subset := range object.Subsets {
		for _, a := range subset.Addresses {
			ip, err := netip.ParseAddr(a.IP)
			if err != nil {
				return nil, fmt.Errorf("an address of the Endpoints: %w", err)
			}
			pods = append(pods, pod{ip, a.Hostname})
		}
	}
	return pods, nil
}

// parseSlices reads a list of discovery.k8s.io/v1/EndpointSlice. A pod with
// addresses of both families is in it twice, and would have two names: if host
// is an address its family is taken, else IPv4 if there is any.
func parseSlices(body []byte, host string) ([]pod, error) {
	var list struct {
		Kind  string
		Items []struct {
			AddressType string
			Endpoints   []struct {
				Addresses  []string
				Conditions struct{ Ready *bool } // nil: not known, to be taken for true
				Hostname   string
			}
		}
	}
	if err := decode(body, &list); err != nil {
		return nil, err
	}
	if list.Kind != "EndpointSliceList" {
		return nil, fmt.Errorf("expected an EndpointSliceList, found a kind %q", list.Kind)
	}
	var pods []pod
	for _, slice := range list.Items {
		if slice.AddressType != "IPv4" && slice.AddressType != "IPv6" {
			continue // FQDN, which no pod has
		}
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready || len(e.Addresses) == 0 {
				continue
			}
			ip, err := netip.ParseAddr(e.Addresses[0]) // all are the same pod
			if err != nil {
				return nil, fmt.Errorf("an address of an EndpointSlice: %w", err)
			}
			pods = append(pods, pod{ip, e.Hostname})
		}
	}
	six := !slices.ContainsFunc(pods, func(p pod) bool { return p.ip.Is4() })
	if own, err := netip.ParseAddr(host); err == nil {
		six = own.Is6()
	}
	return slices.DeleteFunc(pods, func(p pod) bool { return p.ip.Is6() != six }), nil
}

// names builds the names of nodes as cluster.k8s.address_type says.
func (p *Pods) names(pods []pod, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	var nodes []string
	for _, pod := range pods {
		words := []string{pod.ip.String()}
		switch p.c.AddressType {
		case "dns":
			words = []string{strings.NewReplacer(".", "-", ":", "-").Replace(pod.ip.String()), p.c.Namespace}
		case "hostname":
			if pod.hostname == "" {
				continue
			}
			words = []string{pod.hostname, p.c.ServiceName, p.c.Namespace}
		}
		if p.c.Suffix != "" && p.c.AddressType != "ip" {
			words = append(words, p.c.Suffix)
		}
		nodes = append(nodes, p.app+"@"+strings.Join(words, "."))
	}
	if len(pods) > 0 && len(nodes) == 0 {
		return nil, errors.New("no pod has a hostname: address_type = hostname is for a StatefulSet whose serviceName is the service")
	}
	slices.Sort(nodes)
	return slices.Compact(nodes), nil
}

// refused is an answer of the API server that is none to the question.
type refused struct {
	path    string
	status  int
	message string // the server's, of one line
}

func newRefused(path string, status int, body []byte) *refused {
	var answer struct{ Kind, Message string }
	if err := decode(body, &answer); err != nil || answer.Kind != "Status" {
		answer.Message = http.StatusText(status)
	}
	const longest = 300
	message := strings.Join(strings.Fields(answer.Message), " ")
	return &refused{path, status, message[:min(len(message), longest)]}
}

// mayTrySlices reports whether Endpoints don't exist here, or may not be seen.
func (r *refused) mayTrySlices() bool {
	return r.status == http.StatusForbidden || r.status == http.StatusNotFound
}

func (r *refused) Error() string {
	advice := ""
	switch r.status {
	case http.StatusUnauthorized:
		advice = "; the API server doesn't take the token of the service account"
	case http.StatusForbidden:
		advice = "; the role of the service account needs the verb get on endpoints, or list on endpointslices of discovery.k8s.io"
	case http.StatusNotFound:
		advice = "; there is no such service, or it is in another namespace"
	}
	return fmt.Sprintf("GET %s: status %d: %s%s", r.path, r.status, r.message, advice)
}

func decode(body []byte, to any) error {
	if err := json.Unmarshal(body, to); err != nil {
		return fmt.Errorf("expected JSON of the Kubernetes API: %w", err)
	}
	return nil
}
