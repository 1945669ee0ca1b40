package api

import (
	"net/netip"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
)

// banFor is how long a ban lasts that version 4 is given without an end.
const banFor = 5 * time.Minute

// never stands for the end of a ban that has none.
const never = "infinity"

// kindsV3 are the names of the kinds of bans in version 3.
var kindsV3 = map[string]auth.BanKind{
	"client_id": auth.BanClientID, "username": auth.BanUsername, "ip_address": auth.BanPeerHost,
}

// banRoutes are the bans, which the versions spell differently.
func (s *Server) banRoutes() []Route {
	if s.o.Bans == nil {
		return nil
	}
	who := Param{Name: "who", Type: Text, Required: true, Doc: "the name; an address may be a network such as 10.0.0.0/8"}
	as := Param{Name: "as", Type: Text, Required: true, OneOf: []string{"clientid", "username", "peerhost"}}
	asV3 := as
	asV3.OneOf = []string{"client_id", "username", "ip_address"}
	by := Param{Name: "by", Type: Text, Doc: "who bans"}
	reason := Param{Name: "reason", Type: Text}
	at := Param{Name: "at", Type: Time, Doc: "since when; now"}
	until := Param{Name: "until", Type: Time, Doc: "the end; five minutes from now"}
	untilV3 := Param{Name: "until", Type: Time, Doc: "the end; there is none"}

	list := Route{Method: "GET", Path: "/banned", Versions: V4, Name: "list_banned", Summary: "List the bans",
		Params: paging(), Returns: "[{as, who, by, reason, at: int, until: int|'infinity'}]", handle: s.listBans}
	listV3 := list
	listV3.Versions, listV3.Returns, listV3.handle = V3, "[{as, who, by, reason, desc, until: int|'undefined'}]", s.listBansV3
	return []Route{
		list, listV3,
		{Method: "POST", Path: "/banned", Versions: V4, Name: "create_banned", Summary: "Ban a client, or change a ban",
			Params: []Param{who, as, by, reason, at, until}, Returns: "{who, as, by?, reason?, at?: int|'infinity', until?: int|'infinity'}", handle: s.ban},
		{Method: "POST", Path: "/banned", Versions: V3, Name: "create_banned", Summary: "Ban a client, or change a ban",
			Params:  []Param{who, asV3, by, reason, {Name: "desc", Type: Text, Doc: "more of the reason"}, untilV3},
			Returns: "{who, as, by?, reason?, desc?, until?: int|'infinity'}", handle: s.banV3},
		{Method: "DELETE", Path: "/banned/:as/:who", Versions: V4, Name: "delete_banned", Summary: "End a ban",
			handle: func(q *request) (any, error) { return s.unban(auth.BanKind(q.path["as"]), q.path["who"]) }},
		{Method: "DELETE", Path: "/banned/:who", Versions: V3, Name: "delete_banned", Summary: "End a ban", Params: []Param{asV3},
			handle: func(q *request) (any, error) { return s.unban(kindsV3[q.params.text("as")], q.path["who"]) }},
	}
}

func (s *Server) listBans(q *request) (any, error) {
	return paged(q, s.o.Bans.All(), func(b *auth.Ban) object {
		return object{
			"as": string(b.Kind), "who": b.Who, "by": orUndefined(b.By), "reason": orUndefined(b.Reason),
			"at": b.At.Unix(), "until": seconds(b.Until, never),
		}
	})
}

func (s *Server) listBansV3(q *request) (any, error) {
	return paged(q, s.o.Bans.All(), func(b *auth.Ban) object {
		reason, desc, _ := strings.Cut(b.Reason, "\n")
		row := object{
			"who": b.Who, "by": orUndefined(b.By), "reason": orUndefined(reason), "desc": orUndefined(desc),
			"until": seconds(b.Until, undefined),
		}
		for name, kind := range kindsV3 {
			if kind == b.Kind {
				row["as"] = name
			}
		}
		return row
	})
}

func (s *Server) ban(q *request) (any, error) {
	now := time.Now()
	b := auth.Ban{
		Kind: auth.BanKind(q.params.text("as")), Who: q.params.text("who"),
		By: q.params.text("by"), Reason: q.params.text("reason"), At: now, Until: now.Add(banFor),
	}
	if b.By == "" {
		b.By = "user"
	}
	if at, ok := q.params.time("at"); ok {
		b.At = at
	}
	if until, ok := q.params.time("until"); ok {
		b.Until = until
	}
	return q.echo(), s.addBan(b)
}

// banV3 keeps reason and description in one text, a line each.
func (s *Server) banV3(q *request) (any, error) {
	b := auth.Ban{
		Kind: kindsV3[q.params.text("as")], Who: q.params.text("who"),
		By: q.params.text("by"), Reason: q.params.text("reason"), At: time.Now(),
	}
	if desc := q.params.text("desc"); desc != "" {
		b.Reason += "\n" + desc
	}
	b.Until, _ = q.params.time("until")
	return q.echo(), s.addBan(b)
}

func (s *Server) addBan(b auth.Ban) error {
	if b.Kind == auth.BanPeerHost {
		_, badAddress := netip.ParseAddr(b.Who)
		if _, badNet := netip.ParsePrefix(b.Who); badAddress != nil && badNet != nil {
			return fail(codeValue, "bad who: must be an address, or a network such as 10.0.0.0/8")
		}
	}
	return s.o.Bans.Add(b)
}

// unban says the same whether there was such a ban, as EMQ X does.
func (s *Server) unban(kind auth.BanKind, who string) (any, error) {
	_, err := s.o.Bans.Remove(kind, who)
	return nil, err
}

// echo are the parameters that were given.
func (q *request) echo() params {
	given := make(params)
	for name, value := range q.params {
		if t, ok := value.(time.Time); ok {
			value = seconds(t, never)
		}
		given[name] = value
	}
	return given
}

// undefined is what EMQ X shows for a text that isn't there.
const undefined = "undefined"

func orUndefined(s string) string {
	if s == "" {
		return undefined
	}
	return s
}

// seconds is t in Unix seconds; zero stands for a moment that never comes.
func seconds(t time.Time, zero string) any {
	if t.IsZero() {
		return zero
	}
	return t.Unix()
}
