package backup

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
)

// exportVersion is the oldest whose form the export has: EMQ X 4.3 and 4.4 both
// read it.
const exportVersion = "4.3"

// export is the file; the fields are in EMQ X's order.
type export struct {
	Version   string           `json:"version"`
	Rules     []struct{}       `json:"rules"`
	Resources []struct{}       `json:"resources"`
	Blacklist []map[string]any `json:"blacklist"`
	Apps      []struct{}       `json:"apps"` // EMQ X can't read one without its secret
	Users     []map[string]any `json:"users"`
	Accounts  []map[string]any `json:"auth_mnesia"`
	ACL       []map[string]any `json:"acl_mnesia"`
	Date      string           `json:"date"`

	OwnAccounts []ownAccount     `json:"dunlin_accounts,omitempty"`
	OwnBans     []map[string]any `json:"dunlin_bans,omitempty"`
	OwnApps     []ownApp         `json:"dunlin_apps,omitempty"`
	OwnUsers    []ownUser        `json:"dunlin_users,omitempty"`
}

// Write makes an export of d as of now, in the form that EMQ X 4.3 and 4.4 read
// as well. notes say what EMQ X would not find in it. Of an App, Secret is not
// looked at.
func Write(d *Data, now time.Time) (text []byte, notes []string, err error) {
	x := &export{
		Version: exportVersion, Date: now.Format(time.DateTime), Rules: []struct{}{}, Resources: []struct{}{}, Apps: []struct{}{},
		Blacklist: []map[string]any{}, Users: []map[string]any{}, Accounts: []map[string]any{}, ACL: []map[string]any{},
	}
	kinds := x.accounts(d.Accounts)
	x.acl(d.Rules)
	x.bans(d.Bans)
	x.logins(d.Apps, d.Users)
	note := func(n int, what string) {
		if n > 0 {
			notes = append(notes, fmt.Sprintf("EMQ X would not find %d %s", n, what))
		}
	}
	note(len(x.OwnAccounts), "accounts, as it has no such password hash")
	note(len(x.OwnBans), "bans of networks, which it doesn't have")
	note(len(x.OwnApps), "apps, as their secrets exist as hashes only")
	note(len(x.OwnUsers), "dashboard users, as it has no such password hash")
	if len(kinds) > 1 {
		notes = append(notes, "EMQ X takes all passwords for one kind, and there are "+strings.Join(kinds, " and "))
	}
	text, err = json.Marshal(x)
	return text, notes, err
}

// accounts returns which kinds of hashes are there that EMQ X reads.
func (x *export) accounts(all []auth.NewAccount) []string {
	kinds := make(map[string]bool)
	for i := range all {
		a := &all[i]
		h := Hashed{a.Hash, a.Stored, a.Salt}
		value, kind := emqxValue(h)
		if value == nil {
			x.OwnAccounts = append(x.OwnAccounts, ownAccount{a.Name, a.Kind, a.Superuser, a.Created.UnixMilli(), newOwnHash(h)})
			continue
		}
		kinds[kind] = true
		row := map[string]any{"login": a.Name, "type": a.Kind, "password": value, "created_at": a.Created.UnixMilli()}
		if a.Superuser {
			row["is_superuser"] = true // EMQ X passes over it
		}
		x.Accounts = append(x.Accounts, row)
	}
	return slices.Sorted(maps.Keys(kinds))
}

// emqxValue is a password in the one value that EMQ X's built-in users hold;
// nil if it can't be.
func emqxValue(h Hashed) (value []byte, kind string) {
	kind = strings.TrimPrefix(h.Hash.String(), "salt,")
	switch h.Hash.String() {
	case "plain":
		var salt [saltBytes]byte
		rand.Read(salt[:]) // never fails
		salt[0] |= 0x80    // no digit: a password in clear can't be taken for a digest
		return slices.Concat(salt[:], salt[:], []byte(h.Stored)), kind
	case "md5", "sha", "sha256", "sha512":
		return []byte(strings.ToLower(h.Stored)), kind
	case "salt,md5", "salt,sha", "salt,sha256", "salt,sha512":
		if len(h.Salt) == saltBytes {
			return []byte(h.Salt + strings.ToLower(h.Stored)), kind
		}
	}
	return nil, ""
}

// acl writes the oldest first. The times of one subject's rules are all
// different, even if those of the rules aren't, as they are all that says in
// which order they are asked.
func (x *export) acl(all []auth.Rule) {
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b auth.Rule) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	var subject auth.Subject
	var last int64
	for i := range sorted {
		r := &sorted[i]
		if r.Subject != subject {
			subject, last = r.Subject, 0
		}
		last = max(last+1, r.Created.UnixMilli())
		row := map[string]any{"type": r.Kind, "topic": r.Topic.String(), "action": r.Action, "access": "deny", "created_at": last}
		if r.Kind != auth.ForAll {
			row["type_value"] = r.Name
		}
		if r.Allow {
			row["access"] = "allow"
		}
		x.ACL = append(x.ACL, row)
	}
}

func (x *export) bans(all []auth.Ban) {
	for i := range all {
		b := &all[i]
		var who any = b.Who
		network := b.Kind == auth.BanPeerHost && strings.Contains(b.Who, "/")
		if b.Kind == auth.BanPeerHost && !network {
			who = []rune(b.Who) // as EMQ X writes, and reads, an address
		}
		row := map[string]any{
			"who": map[string]any{string(b.Kind): who}, "by": cmp.Or(b.By, undefined), "reason": cmp.Or(b.Reason, undefined),
			"at": unix(b.At), "until": any(forever),
		}
		if !b.Until.IsZero() {
			row["until"] = b.Until.Unix()
		}
		if network {
			x.OwnBans = append(x.OwnBans, row)
			continue
		}
		x.Blacklist = append(x.Blacklist, row)
	}
}

func (x *export) logins(apps []App, users []User) {
	for i := range apps {
		a := &apps[i]
		x.OwnApps = append(x.OwnApps, ownApp{a.ID, a.Name, a.Desc, a.Enabled, unix(a.Expires), newOwnHash(a.Hashed)})
	}
	for i := range users {
		u := &users[i]
		value := emqxUserValue(u.Hashed)
		if value == "" {
			x.OwnUsers = append(x.OwnUsers, ownUser{u.Name, u.Tags, u.MustChange, newOwnHash(u.Hashed)})
			continue
		}
		x.Users = append(x.Users, map[string]any{"username": u.Name, "password": value, "tags": u.Tags})
	}
}

// emqxUserValue is the password of a dashboard user in EMQ X's form; empty if
// it can't be.
func emqxUserValue(h Hashed) string {
	digest, err := hex.DecodeString(h.Stored)
	if kind := h.Hash.String(); err != nil || len(h.Salt) != saltBytes || kind != "salt,md5" && kind != "salt,sha256" {
		return ""
	}
	return base64.StdEncoding.EncodeToString(append([]byte(h.Salt), digest...))
}
