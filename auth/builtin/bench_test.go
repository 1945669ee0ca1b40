package builtin

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
)

func filled(b *testing.B, n int, hash string) *Builtin {
	b.Helper()
	var c Config
	if err := c.PasswordHash.UnmarshalText([]byte(hash)); err != nil {
		b.Fatal(err)
	}
	x, err := New(b.Context(), Options{Config: c, Passwords: auth.NewPasswords()})
	if err != nil {
		b.Fatal(err)
	}
	all := make([]auth.NewAccount, n)
	for i := range all {
		all[i] = auth.NewAccount{Subject: user(fmt.Sprintf("device-%06d", i)), Password: []byte("public")}
		if x.accounts.config.PasswordHash.Slow() {
			all[i].Password, all[i].Stored = nil, strings.Clone(bcryptOfPublic)
		}
	}
	for _, err := range x.AddAccounts(b.Context(), all) {
		if err != nil {
			b.Fatal(err)
		}
	}
	return x
}

func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkMemory measures what an account and a rule take.
func BenchmarkMemory(b *testing.B) {
	const n = 100_000
	for _, hash := range []string{"sha256", "bcrypt"} {
		b.Run("account/"+hash, func(b *testing.B) {
			for b.Loop() {
				before := heap()
				x := filled(b, n, hash)
				b.ReportMetric((heap()-before)/n, "B/account")
				runtime.KeepAlive(x)
			}
		})
	}
	b.Run("rule", func(b *testing.B) {
		for b.Loop() {
			before := heap()
			x := filled(b, 0, "sha256")
			rules := make([]auth.Rule, n)
			for i := range rules {
				rules[i] = rule1(user(fmt.Sprintf("device-%06d", i)), fmt.Sprintf("devices/device-%06d/#", i), auth.RulePub, true)
			}
			x.AddRules(rules)
			b.ReportMetric((heap()-before)/n, "B/rule")
			runtime.KeepAlive(x)
		}
	})
}

func BenchmarkAuthenticateAtOnce(b *testing.B) {
	for _, n := range []int{1, 100_000} {
		x := filled(b, n, "sha256")
		ask := func(name string, username string, want auth.Verdict) {
			b.Run(fmt.Sprintf("%s of %d", name, n), func(b *testing.B) {
				r := &auth.Request{Client: &auth.Client{ClientID: "c", Username: username}, Password: []byte("public")}
				b.ReportAllocs()
				for b.Loop() {
					if a, known := x.accounts.AuthenticateAtOnce(r); !known || a.Verdict != want {
						b.Fatal(a, known)
					}
				}
			})
		}
		ask("one", "device-000000", auth.Allow)
		ask("none", "nobody", auth.Ignore)
	}
}

func BenchmarkAuthorize(b *testing.B) {
	for _, n := range []int{0, 1, 10, 100_000} {
		x := filled(b, 0, "sha256")
		var rules []auth.Rule
		for i := range n {
			rules = append(rules, rule1(client(fmt.Sprintf("device-%06d", i)), "devices/%c/#", auth.RulePub, true))
		}
		x.AddRules(rules)
		b.Run(fmt.Sprint(n, " clients with a rule"), func(b *testing.B) {
			r := &auth.Request{Client: &auth.Client{ClientID: "device-000000", Username: "u"}, Topic: "devices/device-000000/state"}
			b.ReportAllocs()
			for b.Loop() {
				if a, err := x.rules.Authorize(b.Context(), r); err != nil || (a.Verdict == auth.Allow) != (n > 0) {
					b.Fatal(a, err)
				}
			}
		})
	}
}
