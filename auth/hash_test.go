package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

func hashOf(t testing.TB, s string) Hash {
	t.Helper()
	h, err := ParseHash(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// What other programs have made: coreutils, libxcrypt, and OpenSSL for PBKDF2.
const (
	madeMD5         = "4c9184f37cff01bcdc32dc486ec36961"
	madeSHA256      = "efa1f375d76194fa51a3556a97e641e61685f914d446979da50a551a4333ffd7"
	madeSaltSHA256  = "f2ef7f9aedb2c3b5040bc16691a1177758a92ad91e1ee77770215a332bf6099f"
	madeBcrypt      = "$2b$10$abcdefghijklmnopqrstuuqB133muLbebjZ9nczmeCmyhpAaUpSbK"
	madeBcrypt2Y    = "$2y$04$abcdefghijklmnopqrstuuaNoRgelGRsJ2Tm9Zn/HHRlHib6lnzBu"
	madeBcrypt2A    = "$2a$04$abcdefghijklmnopqrstuuaNoRgelGRsJ2Tm9Zn/HHRlHib6lnzBu"
	madeBcryptLong  = "$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i" // of 80 × x
	madeBcryptEmpty = "$2b$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq"
)

func TestMatchesWhatOthersHaveMade(t *testing.T) {
	match := func(kind, stored, salt, password string) {
		t.Helper()
		h := hashOf(t, kind)
		if !h.matches(stored, salt, []byte(password)) {
			t.Errorf("%s: %q doesn't fit", kind, password)
		}
		if h.matches(stored, salt, []byte(password+"!")) && len(password) < bcryptTakes {
			t.Errorf("%s: a wrong password fits", kind)
		}
		if h.Salted() && h.matches(stored, "another", []byte(password)) {
			t.Errorf("%s: fits with another salt", kind)
		}
	}
	match("plain", "public", "", "public")
	match("md5", madeMD5, "", "public")
	match("md5", strings.ToUpper(madeMD5), "", "public")
	match("sha", "61c9b2b17db77a27841bbeeabff923448b0f6388", "", "public")
	match("sha256", madeSHA256, "", "public")
	match("sha512", "d32997e9747b65a3ecf65b82533a4c843c4e16dd30cf371e8c81ab60a341de00051da422d41ff29c55695f233a1e06fac8b79aeb0a4d91ae5d3d18c8e09b8c73", "", "public")
	match("salt,md5", "c91e85973ceee05f005996584f067a72", "salt", "public")
	match("md5,salt", "b8fe9a6d76f4fa94adda07a7833e6402", "salt", "public")
	match("salt,sha", "54625c8c5d22e86e9a3d2732bf48d0f43d343366", "salt", "public")
	match("sha,salt", "43e71834067d59d83ae934bb80670178b810b9be", "salt", "public")
	match("salt,sha256", madeSaltSHA256, "salt", "public")
	match("sha256,salt", "f4a8615be301fbaf6213df33cfe5f22953aafc0c31beb8f2daef55b127444d27", "salt", "public")
	match("salt,sha512", "82112846414ba6fd95be5ac402188c3a7cf1a178485e937fded30f9e398c94094d2d742a41dd0982febd36484be12f19d3cf9130fe2d903d61b5c7ae9a327185", "salt", "public")
	match("sha512,salt", "7ffaf674fc0b94835d6cdba9f3e80b7d7dc8efe5fe7cfe9f01d38d309718cef339fc3014fb007d2133d65d6fea8e904817670aeb69ca47a74554804c15e1bd4f", "salt", "public")
	match("bcrypt", madeBcrypt, "", "public")
	match("bcrypt", madeBcrypt2Y, "", "public")
	match("bcrypt", madeBcrypt2A, "", "public")
	match("bcrypt", madeBcryptEmpty, "", "")
	match("bcrypt", madeBcryptLong, "", strings.Repeat("x", 80))
	match("bcrypt", madeBcryptLong, "", strings.Repeat("x", 72))
	match("salt,bcrypt", madeBcrypt2A, madeBcrypt2A[:29], "public")
	match("bcrypt,salt", madeBcrypt2A, madeBcrypt2Y[:29], "public")
	match("pbkdf2,md4,1000,20", "fb0618184744c5ae3c685e5c1f592aff4dbb1432", "salt", "password")
	match("pbkdf2,md5,1000,20", "8d189946a32d883622a16ae18af0632f5791d5e7", "salt", "password")
	match("pbkdf2,ripemd160,1000,20", "b5c5682c46fdb315930cfc54e82d0987e6ef938f", "salt", "password")
	match("pbkdf2,sha,1000,20", "6e88be8bad7eae9d9e10aa061224034fed48d03f", "salt", "password")
	match("pbkdf2,sha224,1000,20", "d3bcf320fd918908eafcaa460faf40e201f6508d", "salt", "password")
	match("pbkdf2,sha256,1000,20", "632c2812e46d4604102ba7618e9d6d7d2f8128f6", "salt", "password")
	match("pbkdf2,sha384,1000,20", "3bd37e2236941d4a77b1b5b714c6f913fabb6b08", "salt", "password")
	match("pbkdf2,sha512,1000,20", "afe6c5530785b6cc6b1c6453384731bd5ee432ee", "salt", "password")
}

// TestUnreadableStoredValues match nothing, and cost nothing.
func TestUnreadableStoredValues(t *testing.T) {
	never := func(kind, stored, salt string) {
		t.Helper()
		begin := time.Now()
		for _, password := range []string{"", "public", stored} {
			if hashOf(t, kind).matches(stored, salt, []byte(password)) {
				t.Errorf("%s: %q fits %q", kind, password, stored)
			}
		}
		if d := time.Since(begin); d > 20*time.Second {
			t.Errorf("%s: looking at %q took %v", kind, stored, d)
		}
	}
	never("plain", "", "")
	never("md5", "", "")
	never("md5", madeMD5[:31], "")
	never("md5", madeMD5[:30], "")
	never("md5", madeMD5+"00", "")
	never("md5", "zz"+madeMD5[2:], "")
	never("md5", madeSHA256, "")
	never("md5", strings.Repeat("00", 5000), "")
	never("bcrypt", "", "")
	never("bcrypt", "public", "")
	never("bcrypt", madeBcrypt[:59], "")
	never("bcrypt", madeBcrypt+"x", "")
	never("bcrypt", strings.Replace(madeBcrypt, "$10$", "$31$", 1), "")
	never("bcrypt", strings.Replace(madeBcrypt, "$10$", "$16$", 1), "")
	never("bcrypt", strings.Replace(madeBcrypt, "$10$", "$03$", 1), "")
	never("bcrypt", strings.Replace(madeBcrypt, "$10$", "$1x$", 1), "")
	never("bcrypt", strings.Replace(madeBcrypt, "$2b", "$2x", 1), "")
	never("bcrypt", strings.Replace(madeBcrypt, "abc", "a!c", 1), "")
	never("salt,bcrypt", madeBcrypt, "")
	never("salt,bcrypt", madeBcrypt, "$2b$04$abcdefghijklmnopqrstuu")
	never("pbkdf2,sha256,1000,20", "", "salt")
	never("pbkdf2,sha256,1000,20", "632c2812e46d4604102ba7618e9d6d7d2f8128f6ff", "salt")
	var none Hash
	if none.matches("public", "", []byte("public")) || none.matches("", "", nil) {
		t.Error("no hash at all let a password in")
	}
}

func TestMakeAndMatch(t *testing.T) {
	for _, kind := range []string{
		"plain", "md5", "sha", "sha256", "sha512", "salt,md5", "sha512,salt",
		"bcrypt", "salt,bcrypt", "pbkdf2,sha256,1000,20", "pbkdf2,sha512,1,1024",
	} {
		h := hashOf(t, kind)
		if h.String() != kind {
			t.Errorf("%s is written %s", kind, h)
		}
		passwords := []string{"public", "", "pä\x00ß", strings.Repeat("long", 100)}
		if h.kind == hashBcrypt {
			passwords = passwords[3:] // each takes 50 ms, and more with the race detector
		}
		for _, password := range passwords {
			stored, salt, err := h.Make([]byte(password))
			if err != nil {
				t.Fatal(kind, err)
			}
			readable := stored != "" // an empty plain one is no password
			if h.matches(stored, salt, []byte(password)) != readable || h.matches(stored, salt, []byte("x"+password)) {
				t.Errorf("%s: %q doesn't fit what it made", kind, password)
			}
			if (salt != "") != h.Salted() || h.Reads(stored, salt) != readable {
				t.Errorf("%s made the salt %q and %q", kind, salt, stored)
			}
			if again, _, _ := h.Make([]byte(password)); h.Salted() && again == stored {
				t.Errorf("%s has the same salt twice", kind)
			}
		}
	}
	if _, _, err := (Hash{}).Make([]byte("x")); err == nil {
		t.Error("no hash at all made something")
	}
}

func TestSpellings(t *testing.T) {
	same := func(text, canonical string) {
		t.Helper()
		if h := hashOf(t, text); h.String() != canonical {
			t.Errorf("%s is read as %s, want %s", text, h, canonical)
		}
	}
	same(" salt , sha256 ", "salt,sha256")
	same("bcrypt,salt", "bcrypt,salt")
	same("pbkdf2, sha256, 01000, 20", "pbkdf2,sha256,1000,20")
	if (Hash{}).String() != "" || !(Hash{}).IsZero() || hashOf(t, "plain").IsZero() {
		t.Error("plain can be mistaken for nothing")
	}
}

func TestHashesThatAreNone(t *testing.T) {
	bad := func(text, says string) {
		t.Helper()
		var h Hash
		err := h.UnmarshalText([]byte(text))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want it to say %q", text, err, says)
		}
		if !h.IsZero() {
			t.Errorf("%q left %v behind", text, h)
		}
	}
	bad("", "found nothing")
	bad("sha1", `found "sha1"`)
	bad("SHA256", "expected plain, md5")
	bad("salt", "expected plain, md5")
	bad("salt,plain", "expected plain, md5")
	bad("salt,md4", "expected plain, md5")
	bad("salt,salt", "expected plain, md5")
	bad("salt,md5,salt", "expected plain, md5")
	bad("md5,sha", "expected plain, md5")
	bad("pbkdf2", "expected plain, md5")
	bad("pbkdf2,sha256", "such as pbkdf2,sha256,1000,20")
	bad("pbkdf2,sha3,1000,20", "one of md5 sha")
	bad("pbkdf2,,1000,20", "one of md5 sha")
	bad("pbkdf2,sha256,0,20", "1 to 5000000 rounds")
	bad("pbkdf2,sha256,5000001,20", "1 to 5000000 rounds")
	bad("pbkdf2,sha256,99999999999,20", "1 to 5000000 rounds")
	bad("pbkdf2,sha256,1000,0", "1 to 1024 bytes")
	bad("pbkdf2,sha256,1000,1025", "1 to 1024 bytes")
	bad("pbkdf2,sha256,1000,20,1", "such as pbkdf2")
	bad("pbkdf2,sha256,-1,20", "such as pbkdf2")
}

// TestPBKDF2AgainstItsDefinition computes the first block by hand.
func TestPBKDF2AgainstItsDefinition(t *testing.T) {
	mac := func(data []byte) []byte {
		m := hmac.New(sha256.New, []byte("secret"))
		m.Write(data)
		return m.Sum(nil)
	}
	u := mac([]byte("NaCl\x00\x00\x00\x01"))
	want := append([]byte(nil), u...)
	for range 6 {
		u = mac(u)
		for i := range want {
			want[i] ^= u[i]
		}
	}
	if !hashOf(t, "pbkdf2,sha256,7,32").matches(hex.EncodeToString(want), "NaCl", []byte("secret")) {
		t.Error("seven rounds are not seven rounds")
	}
}

func FuzzHash(f *testing.F) {
	f.Add("sha256,salt", madeSHA256, "salt", "public")
	f.Add("bcrypt", madeBcrypt2A, "", "public")
	f.Add("salt,bcrypt", madeBcrypt2A, madeBcrypt2A[:29], "public")
	f.Add("pbkdf2,md4,10,20", "fb06", "salt", "password")
	f.Add("plain", "a", "", "a")
	f.Fuzz(func(t *testing.T, kind, stored, salt, password string) {
		h, err := ParseHash(kind)
		if err != nil {
			return
		}
		if again, err := ParseHash(h.String()); err != nil || again != h {
			t.Fatalf("%q is written %q, read as %v, %v", kind, h, again, err)
		}
		if h.kind == hashPBKDF2 && h.rounds > 100 || h.kind == hashBcrypt && len(stored) > 5 && stored[4:6] > "05" {
			return // slow
		}
		if h.matches(stored, salt, []byte(password)) && !h.Reads(stored, salt) && salt == "" && !h.Salted() {
			t.Errorf("%s: %q fits what can't be read: %q", h, password, stored)
		}
	})
}
