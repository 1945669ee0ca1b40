package backup

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
)

// ban is a record of blacklist.
type ban struct {
	Who    map[auth.BanKind]word `json:"who"`
	By     word                  `json:"by"`
	Reason word                  `json:"reason"`
	At     moment                `json:"at"`    // seconds
	Until  moment                `json:"until"` // seconds
}

func (b *ban) name() string {
	for _, who := range b.Who {
		return string(who)
	}
	return ""
}

func (r *reader) bans() error { return r.bansIn("blacklist") }

func (r *reader) bansIn(part string) error {
	now := time.Now()
	return each(r, part, (*ban).name, func(_ string, b *ban) error {
		one := auth.Ban{By: b.By.orNothing(), Reason: b.Reason.orNothing(), At: b.At.seconds(), Until: b.Until.seconds()}
		if len(b.Who) != 1 {
			return errors.New("expected one of clientid, username and peerhost")
		}
		for kind, who := range b.Who {
			one.Kind, one.Who = kind, string(who)
		}
		if err := checkBan(&one); err != nil {
			return err
		}
		if b.Until.n != nil && !one.Until.After(now) {
			return fmt.Errorf("the ban ended at %s", one.Until.UTC().Format(time.DateTime))
		}
		r.data.Bans = append(r.data.Bans, one)
		return nil
	})
}

func checkBan(b *auth.Ban) error {
	switch b.Kind {
	case auth.BanClientID, auth.BanUsername:
		return checkName(b.Who)
	case auth.BanPeerHost:
		_, noAddress := netip.ParseAddr(b.Who)
		if _, noNet := netip.ParsePrefix(b.Who); noAddress != nil && noNet != nil {
			return fmt.Errorf("expected an address, found %.50q", b.Who)
		}
		return nil
	}
	return fmt.Errorf("expected one of clientid, username and peerhost, found %.20q", string(cmp.Or(b.Kind, "nothing")))
}
