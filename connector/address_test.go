package connector

import "testing"

func TestAddress(t *testing.T) {
	is := func(text, addr, written string) {
		t.Helper()
		var a Address
		if err := a.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(text, err)
		}
		if got := a.Addr(3306); got != addr {
			t.Errorf("%s is %s, want %s", text, got, addr)
		}
		if a.String() != written {
			t.Errorf("%s is written %s, want %s", text, a, written)
		}
	}
	is("127.0.0.1:3307", "127.0.0.1:3307", "127.0.0.1:3307")
	is("127.0.0.1", "127.0.0.1:3306", "127.0.0.1")
	is("3307", "127.0.0.1:3307", "127.0.0.1:3307")
	is("db", "db:3306", "db")
	is("db.example.org:1", "db.example.org:1", "db.example.org:1")
	is("::1", "[::1]:3306", "::1")
	is("[::1]", "[::1]:3306", "::1")
	is("[::1]:3307", "[::1]:3307", "[::1]:3307")

	for _, text := range []string{"", ":", ":1", "db:", "db:x", "db:0", "db:65536", "0", "a b", "a/b", "u@db", "a,b", "::1:3307x", "a:1,b:2"} {
		if err := new(Address).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, text := range []string{"db", "1", "::1", "[::1]:1", "db:1", ":", "[", "[]:1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var a, again Address
		if a.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(a.String())); err != nil || again != a {
			t.Errorf("%q is written %q and read as %v, %v", text, a, again, err)
		}
	})
}
