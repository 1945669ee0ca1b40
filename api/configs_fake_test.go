package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// fakeConfigs holds some settings; only those of retainer and zone can change.
type fakeConfigs struct {
	all []Setting
	log []string // who did what
}

func newFakeConfigs() *fakeConfigs {
	return &fakeConfigs{all: []Setting{
		{Key: "auth.http.auth_req.url", Type: "text", Origin: "env", Where: "DUNLIN_AUTH__HTTP__AUTH_REQ__URL", Value: "http://a"},
		{Key: "auth.mysql.password", Value: "******", Type: "text", Secret: true, Origin: "file", Where: "etc/emqx.conf:3"},
		{Key: "node.name", Value: "dunlin@host", Default: "dunlin@host", Type: "text", Origin: "default"},
		{Key: "retainer.max_payload_size", Value: "1MB", Default: "1MB", Type: "size", Origin: "default", Doc: "The largest.", Live: true},
		{Key: "retainer.max_retained_messages", Value: "0", Default: "0", Type: "int 0..", Origin: "default", Live: true},
		{Key: "zone.external.max_inflight", Value: "64", Default: "32", Type: "int 0..65535", Origin: "file", Where: "etc/emqx.conf:12", Live: true},
	}}
}

func (f *fakeConfigs) Settings() []Setting { return slices.Clone(f.all) }

func (f *fakeConfigs) find(key string) *Setting {
	for i := range f.all {
		if f.all[i].Key == key {
			return &f.all[i]
		}
	}
	return nil
}

func (f *fakeConfigs) ChangeSettings(by string, changes map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(changes)) {
		switch s := f.find(key); {
		case s == nil:
			return fmt.Errorf("%s: unknown key", key)
		case !s.Live:
			return fmt.Errorf("%s can't change while the node runs", key)
		}
	}
	for key, value := range changes {
		s := f.find(key)
		s.Value, s.Origin, s.Where = value, "override", "data/overrides.conf:4"
		f.log = append(f.log, by+" "+key+" = "+value)
	}
	return nil
}

func (f *fakeConfigs) ResetSetting(by, key string) error {
	s := f.find(key)
	if s == nil || s.Origin != "override" {
		return fmt.Errorf("%s has no override", key)
	}
	s.Value, s.Origin, s.Where = s.Default, "default", ""
	f.log = append(f.log, strings.Join([]string{by, "reset", key}, " "))
	return nil
}
