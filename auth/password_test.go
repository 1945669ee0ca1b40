package auth

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func verify(t *testing.T, p *Passwords, h Hash, stored, salt, password string, want bool) {
	t.Helper()
	got, err := p.Verify(t.Context(), h, stored, salt, []byte(password))
	if got != want || err != nil {
		t.Errorf("%s: %q: %v, %v, want %v", h, password, got, err, want)
	}
}

func TestVerify(t *testing.T) {
	p := NewPasswords()
	for range 2 {
		verify(t, p, hashOf(t, "sha256"), madeSHA256, "", "public", true)
		verify(t, p, hashOf(t, "sha256"), madeSHA256, "", "private", false)
		verify(t, p, hashOf(t, "bcrypt"), madeBcrypt2A, "", "public", true)
		verify(t, p, hashOf(t, "bcrypt"), madeBcrypt2A, "", "private", false)
		verify(t, p, Hash{}, "public", "", "public", false)
	}
	if len(p.proven) != 1 {
		t.Errorf("%d passwords are remembered, want the slow one that was right", len(p.proven))
	}
}

func TestAtOnce(t *testing.T) {
	p := NewPasswords()
	at := func(kind, stored, password string, fits, known bool) {
		t.Helper()
		f, k := p.VerifyAtOnce(hashOf(t, kind), stored, "", []byte(password))
		if f != fits || k != known {
			t.Errorf("%s: %q: %v, %v, want %v, %v", kind, password, f, k, fits, known)
		}
	}
	at("md5", madeMD5, "public", true, true)
	at("md5", madeMD5, "private", false, true)
	at("bcrypt", madeBcrypt2A, "public", false, false)
	verify(t, p, hashOf(t, "bcrypt"), madeBcrypt2A, "", "public", true)
	at("bcrypt", madeBcrypt2A, "public", true, true)
	at("bcrypt", madeBcrypt2A, "private", false, false)
	at("bcrypt", madeBcrypt2Y, "public", false, false) // another stored value
	at("salt,bcrypt", madeBcrypt2A, "public", false, false)
}

// TestProofsDiffer where any part does, and where parts only look alike when
// they are put together.
func TestProofsDiffer(t *testing.T) {
	p, seen := NewPasswords(), map[proof]string{}
	for _, x := range []struct{ kind, stored, salt, password string }{
		{"bcrypt", "ab", "c", "d"},
		{"salt,bcrypt", "ab", "c", "d"},
		{"bcrypt", "a", "bc", "d"},
		{"bcrypt", "ab", "", "cd"},
		{"bcrypt", "", "abc", "d"},
		{"pbkdf2,sha256,1,2", "ab", "c", "d"},
		{"pbkdf2,sha256,2,2", "ab", "c", "d"},
		{"pbkdf2,sha256,2,1", "ab", "c", "d"},
		{"pbkdf2,sha512,2,1", "ab", "c", "d"},
	} {
		id := p.proof(hashOf(t, x.kind), x.stored, x.salt, []byte(x.password))
		if other, twice := seen[id]; twice {
			t.Errorf("%v and %s have one proof", x, other)
		}
		seen[id] = fmt.Sprint(x)
		if id == NewPasswords().proof(hashOf(t, x.kind), x.stored, x.salt, []byte(x.password)) {
			t.Error("two processes have one key")
		}
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	p := NewPasswords()
	for i := range maxProven + 10 {
		p.remember(proof{byte(i), byte(i >> 8), byte(i >> 16)})
	}
	last := maxProven + 9
	if len(p.proven) != maxProven || !p.remembers(proof{byte(last), byte(last >> 8), byte(last >> 16)}) {
		t.Errorf("%d are remembered", len(p.proven))
	}
}

func TestSlowChecksWaitTheirTurn(t *testing.T) {
	p := NewPasswords()
	for range cap(p.slots) {
		p.slots <- struct{}{} // all processors that may be used are
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	h := hashOf(t, "bcrypt")
	wg.Go(func() {
		if ok, err := p.Verify(ctx, h, madeBcrypt2A, "", []byte("public")); ok || !errors.Is(err, context.Canceled) {
			t.Errorf("%v, %v: was checked, though it wasn't its turn", ok, err)
		}
	})
	wg.Go(func() {
		if _, _, err := p.Make(ctx, h, []byte("public")); !errors.Is(err, context.Canceled) {
			t.Errorf("%v: was made, though it wasn't its turn", err)
		}
	})
	verify(t, p, hashOf(t, "md5"), madeMD5, "", "public", true) // fast kinds don't wait
	time.AfterFunc(10*time.Millisecond, cancel)
	wg.Wait()
	if _, err := p.Verify(ctx, h, madeBcrypt2A, "", []byte("public")); !errors.Is(err, context.Canceled) {
		t.Errorf("%v after its time", err)
	}
	for range cap(p.slots) {
		p.release()
	}
	verify(t, p, h, madeBcrypt2A, "", "public", true)
	if len(p.slots) != 0 {
		t.Error("a turn was not given back")
	}
}

// TestStormIsHashedOnce: of many with one password, who waited behind the first
// gets its answer from memory.
func TestStormIsHashedOnce(t *testing.T) {
	p := NewPasswords()
	begin := time.Now()
	verify(t, p, hashOf(t, "bcrypt"), madeBcrypt, "", "public", true)
	one := time.Since(begin)
	p = NewPasswords()
	begin = time.Now()
	var wg sync.WaitGroup
	const clients = 1000
	for range clients {
		wg.Go(func() { verify(t, p, hashOf(t, "bcrypt"), madeBcrypt, "", "public", true) })
	}
	wg.Wait()
	if d := time.Since(begin); d > clients*one/4 {
		t.Errorf("%v for %d, %v for one", d, clients, one)
	}
}

func TestHalfOfTheProcessors(t *testing.T) {
	if got, want := cap(NewPasswords().slots), max(1, runtime.GOMAXPROCS(0)/2); got != want {
		t.Errorf("%d at once, want %d", got, want)
	}
}

func TestFastChecksNeedNoMemory(t *testing.T) {
	p, password := NewPasswords(), []byte("public")
	for _, kind := range []string{"plain", "md5", "salt,sha", "sha256", "sha512,salt"} {
		h := hashOf(t, kind)
		stored, salt, err := h.Make(password)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { p.VerifyAtOnce(h, stored, salt, password) }); n != 0 {
			t.Errorf("%s: %v allocations", kind, n)
		}
	}
}

func TestReadEMQX(t *testing.T) {
	p := NewPasswords()
	reads := func(kind, value, becomes string) {
		t.Helper()
		h, stored, salt, ok := hashOf(t, kind).ReadEMQX(value)
		if h.String() != becomes || !ok {
			t.Errorf("%s: %q is read as %q, %v, want %q", kind, value, h, ok, becomes)
		}
		if ok {
			verify(t, p, h, stored, salt, "public", true)
			verify(t, p, h, stored, salt, "private", false)
		}
	}
	never := func(kind, value string) {
		t.Helper()
		if h, _, _, ok := hashOf(t, kind).ReadEMQX(value); ok {
			t.Errorf("%s: %q is read as %s", kind, value, h)
		}
	}
	reads("sha256", madeSHA256, "sha256")
	reads("sha256", "salt"+madeSaltSHA256, "salt,sha256")
	reads("salt,sha256", "salt"+madeSaltSHA256, "salt,sha256")
	reads("md5", "saltc91e85973ceee05f005996584f067a72", "salt,md5")
	reads("plain", "\xffab\x00\xffab\x00public", "plain")
	reads("bcrypt", madeBcrypt2A, "bcrypt")
	never("sha256", "")
	never("sha256", "salt")
	never("sha256", madeMD5)
	never("sha256", "sal"+madeSaltSHA256)
	never("sha256", strings.Repeat("z", 64))
	never("sha256", strings.Repeat("z", 68))
	never("plain", "public")
	never("plain", "saltsalt")
	never("bcrypt", "public")
	never("pbkdf2,sha256,1,2", "aabb")
	if _, _, _, ok := (Hash{}).ReadEMQX(madeMD5); ok {
		t.Error("no hash at all read something")
	}
}

// FuzzReadEMQX: what is read can be compared, and nothing of it is lost.
func FuzzReadEMQX(f *testing.F) {
	f.Add("sha256", "salt"+madeSaltSHA256)
	f.Add("md5", madeMD5)
	f.Add("plain", "\xff\x00ab\xff\x00abpublic")
	f.Add("salt,bcrypt", madeBcrypt2A)
	f.Fuzz(func(t *testing.T, kind, value string) {
		usual, err := ParseHash(kind)
		if err != nil {
			return
		}
		h, stored, salt, ok := usual.ReadEMQX(value)
		switch {
		case !ok:
		case h.kind != usual.kind || h.digest != usual.digest || !h.Reads(stored, salt):
			t.Errorf("%s: %q is read as %s, %q, %q", kind, value, h, stored, salt)
		case h.kind == hashPlain && value[:4]+value[:4]+stored != value, h.kind != hashPlain && salt+stored != value:
			t.Errorf("%s: %q is read as %q, %q", kind, value, stored, salt)
		}
	})
}

func TestReads(t *testing.T) {
	reads := func(kind, stored, salt string, want bool) {
		t.Helper()
		if got := hashOf(t, kind).Reads(stored, salt); got != want {
			t.Errorf("%s: %q, %q: %v", kind, stored, salt, got)
		}
	}
	reads("plain", "x", "", true)
	reads("plain", "x", "salt", false)
	reads("md5", madeMD5, "", true)
	reads("md5", madeMD5, "salt", false)
	reads("md5", madeSHA256, "", false)
	reads("salt,md5", madeMD5, "salt", true)
	reads("salt,md5", madeMD5, "", false)
	reads("bcrypt", madeBcrypt, "", true)
	reads("bcrypt", madeBcrypt, "salt", false)
	reads("salt,bcrypt", madeBcrypt, madeBcrypt[:29], true)
	reads("salt,bcrypt", madeBcrypt, "salt", false)
	reads("pbkdf2,md5,1,2", "aabb", "salt", true)
	reads("pbkdf2,md5,1,2", "aabb", "", false)
	reads("pbkdf2,md5,1,2", "aabbcc", "salt", false)
	if (Hash{}).Reads("x", "") {
		t.Error("no hash at all reads something")
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, kind := range []string{
		"plain", "md5", "salt,md5", "sha", "salt,sha", "sha256", "salt,sha256", "sha512", "salt,sha512",
		"bcrypt", "pbkdf2,sha256,1000,20", "pbkdf2,sha512,1000,20", "pbkdf2,md4,1000,20",
	} {
		p, h, password := NewPasswords(), hashOf(b, kind), []byte("a password of some length")
		stored, salt, err := h.Make(password)
		if err != nil {
			b.Fatal(err)
		}
		run := func(name string, forget bool) {
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if forget {
						clear(p.proven)
					}
					if ok, err := p.Verify(b.Context(), h, stored, salt, password); !ok || err != nil {
						b.Fatal(ok, err)
					}
				}
			})
		}
		run(kind, true)
		if h.Slow() {
			run(kind+"/remembered", false)
		}
	}
}
