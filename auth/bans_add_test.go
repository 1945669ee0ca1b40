package auth

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
)

// together is a Keeper that takes many records at once.
type together struct {
	*memory
	changes int
}

func (k *together) PutAll(records iter.Seq2[string, []byte]) error {
	k.changes++
	for key, value := range records {
		if err := k.memory.Put(key, value); err != nil {
			return err
		}
	}
	return nil
}

func TestManyBansAreOneChange(t *testing.T) {
	k := &together{memory: newMemory()}
	s := newBans(k)
	many := []Ban{{Kind: BanClientID}, {Kind: BanPeerHost, Who: "nowhere"}}
	for i := range 100 {
		many = append(many, Ban{Kind: BanClientID, Who: fmt.Sprint(i)})
	}
	many = append(many, Ban{Kind: BanClientID, Who: "7", Reason: "the later counts"})
	for i, err := range s.AddAll(many) {
		if (err != nil) != (i < 2) {
			t.Errorf("%v: %v", many[i], err)
		}
	}
	again := newBans(k)
	if err := again.load(); err != nil || len(again.All()) != 100 || k.changes != 1 {
		t.Errorf("%v, %d bans are kept in %d changes", err, len(again.All()), k.changes)
	}
	for _, bans := range []*Bans{s, again} {
		if b := bans.names[banKey{BanClientID, "7"}]; b == nil || b.Reason != "the later counts" {
			t.Errorf("%+v", b)
		}
	}
	if errs := s.AddAll(many[:2]); errs[0] == nil || errs[1] == nil || k.changes != 1 {
		t.Errorf("%v, %d changes", errs, k.changes)
	}
}

func TestManyBansThatCannotBeKept(t *testing.T) {
	for _, k := range []Keeper{&memory{fail: errors.New("disk full")}, &together{memory: &memory{fail: errors.New("disk full")}}} {
		s := newBans(k)
		for _, err := range s.AddAll([]Ban{{Kind: BanClientID, Who: "a"}, {Kind: BanClientID, Who: "b"}}) {
			if err == nil || !strings.HasSuffix(err.Error(), "holds, but is gone after the next start: disk full") {
				t.Errorf("%v", err)
			}
		}
		if len(s.All()) != 2 {
			t.Errorf("%d bans hold", len(s.All()))
		}
	}
	s := newBans(nil)
	if errs := s.AddAll([]Ban{{Kind: BanClientID, Who: "a"}}); errs[0] != nil || len(s.All()) != 1 {
		t.Errorf("%v, %v", errs, s.All())
	}
}
