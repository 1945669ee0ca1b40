package auth

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/keep/keeptest"
)

func TestManyBansAreOneChange(t *testing.T) {
	k := keeptest.New()
	s := following(t, k)
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
	again := following(t, k)
	if len(again.All()) != 100 || k.Writes() != 1 {
		t.Errorf("%d bans are kept in %d changes", len(again.All()), k.Writes())
	}
	for _, bans := range []*Bans{s, again} {
		if b := bans.names[banKey{BanClientID, "7"}]; b == nil || b.Reason != "the later counts" {
			t.Errorf("%+v", b)
		}
	}
	if errs := s.AddAll(many[:2]); errs[0] == nil || errs[1] == nil || k.Writes() != 1 {
		t.Errorf("%v, %d changes", errs, k.Writes())
	}
}

func TestManyBansThatCannotBeKept(t *testing.T) {
	k := keeptest.New()
	s := following(t, k)
	k.Fail(errors.New("disk full"))
	for _, err := range s.AddAll([]Ban{{Kind: BanClientID, Who: "a"}, {Kind: BanClientID, Who: "b"}}) {
		if err == nil || !strings.HasSuffix(err.Error(), "can't be kept: disk full") {
			t.Errorf("%v", err)
		}
	}
	if len(s.All()) != 0 {
		t.Errorf("%d bans hold", len(s.All()))
	}
}
