package backup

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
)

// sample is an export in the form of one version.
func sample(t *testing.T, version string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/emqx-export-" + version + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func read(t *testing.T, version, env string) *Data {
	t.Helper()
	d, err := Read(sample(t, version), []byte(env))
	if err != nil {
		t.Fatalf("%s: %v", version, err)
	}
	return d
}

// listed is what was read, a line for each record.
func listed(d *Data) string {
	var b strings.Builder
	for _, a := range d.Accounts {
		fmt.Fprintf(&b, "%s %s by %s", a.Kind, a.Name, a.Hash)
		if a.Superuser {
			b.WriteString(", superuser")
		}
		if !a.Created.IsZero() {
			fmt.Fprintf(&b, ", of %d", a.Created.UnixMilli())
		}
		b.WriteString("\n")
	}
	for _, r := range d.Rules {
		fmt.Fprintf(&b, "%s %s: %s %s %v\n", r.Kind, r.Name, r.Action, r.Topic, r.Allow)
	}
	for _, x := range d.Bans {
		fmt.Fprintf(&b, "%s %s banned by %q for %q from %d", x.Kind, x.Who, x.By, x.Reason, x.At.Unix())
		if !x.Until.IsZero() {
			fmt.Fprintf(&b, " to %d", x.Until.Unix())
		}
		b.WriteString("\n")
	}
	for _, a := range d.Apps {
		fmt.Fprintf(&b, "app %s %q %q %v %d %s%s\n", a.ID, a.Name, a.Desc, a.Enabled, unix(a.Expires), a.Secret, a.Hash)
	}
	for _, u := range d.Users {
		fmt.Fprintf(&b, "user %s %s by %s, must change %v\n", u.Name, u.Tags, u.Hash, u.MustChange)
	}
	for _, l := range d.Left {
		fmt.Fprintf(&b, "left: %d %s\n", l.Count, l.Part)
	}
	for _, p := range d.Problems {
		fmt.Fprintf(&b, "%s %s: %s\n", p.At, p.Name, p.Reason)
	}
	return b.String()
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if want = strings.TrimPrefix(want, "\n"); got != want {
		t.Errorf("%s: got\n%swant\n%s", what, got, want)
	}
}

const asUsername = `{"auth.mnesia.as":"username"}`

// delivered is the app that every EMQ X has.
const delivered = "apps[0] admin: its secret is the one EMQ X is delivered with, which everybody knows: add the app with one of your own\n"

func TestReadEachVersion(t *testing.T) {
	same(t, "4.0", listed(read(t, "4.0", asUsername)), `
clientid old-client by salt,sha256
username old user by salt,sha256
username m by sha256, superuser
peerhost 192.0.2.7 banned by "user" for "" from 1653360665 to 4102444800
user admin administrator by salt,md5, must change true
`+delivered)
	same(t, "4.1", listed(read(t, "4.1", `{"auth.mnesia.as":"clientid"}`)), `
clientid c1 by salt,sha
clientid m by md5
clientid m: sub t/a true
all : pub open/# true
clientid m: sub t/# false
clientid m: pub t/# false
app grafana "Grafana" "" true 4102444800 k33p-m3
left: 1 resources
`+delivered)
	same(t, "4.2", listed(read(t, "4.2", asUsername)), `
clientid c1 by salt,sha512
username u1 by plain
username m by sha256, superuser
username m: sub Topic/A true
username m: pub Topic/A true
clientid noisy banned by "user" for "" from 1653360665
user eve viewer by salt,sha256, must change false
`)
	same(t, "4.2 Enterprise", listed(read(t, "4.2-enterprise", "")), `
clientid usera by salt,sha256, of 1653365382492
clientid clientida: sub t/a true
clientid clientida: pub t/a true
left: 1 listeners_state
left: 4 modules
`+delivered)
	same(t, "4.3", listed(read(t, "4.3", "")), `
clientid usera by salt,sha256, of 1653360665243
username alice by salt,sha256, of 1653360665244
all : sub public/# true
username alice: sub %u/# true
clientid clientida: pub t/a true
clientid clientida: sub t/a false
username mallory banned by "user" for "" from 1653360665 to 4102444800
peerhost 2001:db8::7 banned by "user" for "" from 1653360665
app grafana "Grafana" "" true 4102444800 k33p-m3
user admin administrator by salt,md5, must change true
user eve viewer by salt,sha256, must change false
left: 1 rules
blacklist[2] past: the ban ended at 2022-05-24 02:56:05
`+delivered)
}

func TestBrokenRecordsAreSaidAndTheOthersRead(t *testing.T) {
	d := read(t, "4.4", "")
	if len(d.Accounts) != 2 || len(d.Rules) != 4 || len(d.Bans) != 2 || len(d.Apps) != 1 || len(d.Users) != 2 {
		t.Errorf("read\n%s", listed(d))
	}
	var got strings.Builder
	for _, p := range d.Problems {
		fmt.Fprintf(&got, "%s %s: %s\n", p.At, p.Name, p.Reason)
	}
	same(t, "problems", got.String(), `
auth_mnesia[0] usera: the clientid stands in auth_mnesia[2] again, which counts
auth_mnesia[3] bad: it doesn't show how the password is stored: if all are in clear, add {"auth.mnesia.password_hash":"plain"}
auth_mnesia[4] : expected a name of 1 to 32000 bytes in UTF-8 without a zero byte
auth_mnesia[5] : expected a name of 1 to 32000 bytes in UTF-8 without a zero byte
auth_mnesia[6] x: expected the type clientid or username, found "peerhost"
auth_mnesia[7] : expected an object, found number
acl_mnesia[4] c: expected pub, sub or pubsub, found "write"
acl_mnesia[5] c: expected allow or deny as the access, found "maybe"
acl_mnesia[6] c: expected a topic in UTF-8
acl_mnesia[7] c: expected a rule for a clientid, a username or all, found the type "dn"
blacklist[2] past: the ban ended at 2022-05-24 02:56:05
blacklist[3] nowhere: expected an address, found "nowhere"
blacklist[4] : expected one of clientid, username and peerhost
blacklist[5] x: expected one of clientid, username and peerhost, found "mac"
`+delivered+`apps[2] a:b: expected an id that isn't empty nor holds a colon
apps[3] c: expected a secret
users[2] z: expected a password of four bytes of salt and an MD5 or SHA-256 digest
users[3] y: expected the password in base64
`)
	if a := d.Accounts[0]; !fits(t, Hashed{a.Hash, a.Stored, a.Salt}, "other") {
		t.Error("of two accounts of one name the later doesn't count")
	}
}

func fits(t *testing.T, h Hashed, password string) bool {
	t.Helper()
	ok, err := auth.NewPasswords().Verify(t.Context(), h.Hash, h.Stored, h.Salt, []byte(password))
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestPasswordsFit(t *testing.T) {
	for _, version := range []string{"4.0", "4.1", "4.2", "4.2-enterprise"} {
		for _, a := range read(t, version, asUsername).Accounts {
			if h := (Hashed{a.Hash, a.Stored, a.Salt}); !fits(t, h, "secret") || fits(t, h, "Secret") {
				t.Errorf("%s: the password of %s %s", version, a.Kind, a.Name)
			}
		}
	}
	users := read(t, "4.3", "").Users
	if !fits(t, users[0].Hashed, "public") || !fits(t, users[1].Hashed, "dashing") || fits(t, users[1].Hashed, "public") {
		t.Error("the passwords of the dashboard's users don't fit")
	}
}

// TestPlainPasswords: in clear without a salt they can be anything, so somebody
// has to say it.
func TestPlainPasswords(t *testing.T) {
	text := []byte(`{"version":"4.1","auth_mnesia":[{"login":"m","password":"c2VjcmV0"}]}`)
	d, err := Read(text, []byte(asUsername))
	if err != nil || len(d.Problems) != 1 || len(d.Accounts) != 0 {
		t.Fatalf("%v\n%s", err, listed(d))
	}
	d, err = Read(text, []byte(`{"auth.mnesia.as":"clientid","auth.mnesia.password_hash":"plain"}`))
	if err != nil || len(d.Accounts) != 1 {
		t.Fatalf("%v\n%s", err, listed(d))
	}
	if a := d.Accounts[0]; a.Stored != "secret" || a.Hash.String() != "plain" || a.Kind != auth.ByClientID {
		t.Errorf("%+v", a)
	}
	d, err = Read([]byte(`{"version":"4.3","auth_mnesia":[{"login":"m","type":"username","password":"c2VjcmV0"}]}`), []byte(`{"auth.mnesia.password_hash":"sha256"}`))
	if err != nil || len(d.Problems) != 1 || d.Problems[0].Reason != "the password is not stored with sha256" {
		t.Errorf("%v\n%s", err, listed(d))
	}
}

func TestTextOfErlang(t *testing.T) {
	one := func(password string) *Data {
		t.Helper()
		d, err := Read([]byte(`{"version":"4.0","auth_clientid":[{"clientid":[99,49],"password":`+password+`}]}`), nil)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	digest := "1f40fc92da241694750979ee6cf582f2d5d7d28e18335de05abc54d0560e0f5302860c652bf08d560252aa5e74210546f369fbbbce8c12cfc7957b2652fe9a75"
	if d := one(`"` + digest + `"`); listed(d) != "clientid c1 by sha512\n" {
		t.Errorf("got %s", listed(d))
	}
	if d := one("\"\xff\xfe\xfd\xfc" + digest + `"`); listed(d) != "clientid c1 by salt,sha512\n" || d.Accounts[0].Salt != "\xff\xfe\xfd\xfc" {
		t.Errorf("bytes that aren't UTF-8: %s", listed(d))
	}
	lost := "auth_clientid[0] c1: the salt of the password was lost when EMQ X wrote it as text: it has to be set anew\n"
	if d := one(`"` + "\uFFFDa\uFFFDb" + digest + `"`); listed(d) != lost {
		t.Errorf("a salt that is lost: %s", listed(d))
	}
	if d := one(`{}`); listed(d) != "auth_clientid[0] c1: expected text, found an object\n" {
		t.Errorf("got %s", listed(d))
	}
}

func TestFilesThatAreNone(t *testing.T) {
	refused := func(text, env, says string) {
		t.Helper()
		d, err := Read([]byte(text), []byte(env))
		if err == nil || d != nil || err.Error() != says {
			t.Errorf("%s %s: %v, want %s", text, env, err, says)
		}
	}
	refused("", "", ErrNoJSON.Error())
	refused("[]", "", ErrNoJSON.Error())
	refused("null", "", ErrNoJSON.Error())
	refused(`{"version":"4.3"`, "", ErrNoJSON.Error())
	refused("\x1f\x8b\x08", "", ErrVersion.Error()+": this is an archive, as EMQ X 5 makes them")
	refused("{}", "", ErrVersion.Error()+`, found ""`)
	refused(`{"version":"5.0"}`, "", ErrVersion.Error()+`, found "5.0"`)
	refused(`{"version":3.2}`, "", ErrVersion.Error()+`, found "3.2"`)
	refused(`{"version":"4.30"}`, "", ErrVersion.Error()+`, found "4.30"`)
	refused(`{"version":{}}`, "", "version: expected text, found an object")
	refused(`{"version":"4.3","users":{}}`, "", "users: expected a list")
	refused(`{"version":"4.3"}`, "[]", "expected a JSON object to put over the export: json: cannot unmarshal array into Go value of type map[string]json.RawMessage")
	refused(`{"version":"4.3"}`, `{"auth.mnesia.as":"dn"}`, `auth.mnesia.as: expected username or clientid, found "dn"`)
	refused(`{"filename":"a.json","file":"{}"}`, "", ErrVersion.Error()+`, found ""`)
	refused(`{"filename":"a.json","file":"["}`, "", ErrNoJSON.Error())
	refused(`{"filename":"a.json","file":7}`, "", ErrNoJSON.Error())
	refused(strings.Repeat(" ", MaxSize+1), "", "expected an export of at most 67108864 bytes")
	for _, text := range []string{
		`{"version":"4.1","auth_mnesia":[{"login":"m","password":"x"}]}`,
		`{"version":"4.2.3","acl_mnesia":[{"login":"m","topic":"t","action":"pub","allow":true}]}`,
	} {
		if _, err := Read([]byte(text), nil); !errors.Is(err, ErrLogins) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestWhatStandsOverTheExport takes the place of its parts, as in EMQ X.
func TestWhatStandsOverTheExport(t *testing.T) {
	d := read(t, "4.3", `{"auth_mnesia":[],"rules":[],"version":4.3}`)
	if len(d.Accounts) != 0 || len(d.Left) != 0 || len(d.Rules) != 4 || d.Version != "4.3" {
		t.Errorf("got\n%s", listed(d))
	}
}

func TestTheAnswerOfADownload(t *testing.T) {
	d, err := Read([]byte(`{"filename":"emqx-export-2022-5-24-10-51-39.json","file":"{\"version\":\"4.4\",\"date\":\"now\",\"auth_mnesia\":[]}"}`), nil)
	if err != nil || d.Version != "4.4" || d.Date != "now" || len(d.Left) != 0 {
		t.Errorf("%v %+v", err, d)
	}
}

func FuzzRead(f *testing.F) {
	files, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		if file.IsDir() {
			continue
		}
		text, err := os.ReadFile("testdata/" + file.Name())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, []byte(asUsername))
	}
	f.Add([]byte(`{"version":"4.3","dunlin_accounts":[{"login":"a","type":"clientid","hash":"plain","stored":"YQ=="}],"dunlin_apps":[{"id":"a","hash":"plain","stored":"YQ=="}]}`), []byte("{}"))
	f.Fuzz(func(t *testing.T, text, env []byte) {
		d, err := Read(text, env)
		if err != nil {
			return
		}
		for _, a := range d.Accounts {
			if a.Name == "" || a.Stored == "" || a.Hash.IsZero() || a.Kind != auth.ByClientID && a.Kind != auth.ByUsername {
				t.Errorf("read an account that can't be: %+v", a)
			}
		}
		for i, r := range d.Rules {
			if r.Topic.String() == "" || i > 0 && r.Created.Before(d.Rules[i-1].Created) {
				t.Errorf("read a rule that can't be, or stands wrong: %+v", r)
			}
		}
		if slices.ContainsFunc(d.Apps, func(a App) bool { return a.Secret == deliveredSecret || a.ID == "" }) {
			t.Error("read an app that can't be")
		}
		written, _, err := Write(d, someTime)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Read(written, nil)
		if err != nil {
			t.Fatalf("what was written can't be read: %v", err)
		}
		if len(again.Accounts) != len(d.Accounts) || len(again.Rules) != len(d.Rules) {
			t.Errorf("read\n%swritten and read\n%s", listed(d), listed(again))
		}
	})
}

// TestBadListsAreBounded: whatever is in a file, it doesn't fill the memory, and
// somebody waits for the answer.
func TestBadListsAreBounded(t *testing.T) {
	text := func(part string, n int) []byte {
		return []byte(`{"version":"4.3","` + part + `":[` + strings.Repeat("1,", n-1) + "1]}")
	}
	const n = 10_000
	d, err := Read(text("auth_mnesia", n), nil)
	if err != nil || len(d.Problems) != maxListed || d.More != n-maxListed {
		t.Fatalf("%v: %d problems and %d more", err, len(d.Problems), d.More)
	}
	report, err := new(Target).Import(t.Context(), d, true)
	if err != nil || report.Skipped != n {
		t.Errorf("%v: %d skipped, want %d", err, report.Skipped, n)
	}
	if d, err := Read(text("rules", n), nil); err != nil || d.Left[0].Count != n {
		t.Errorf("%v: left are %+v", err, d.Left)
	}
	want := fmt.Sprintf("blacklist: expected at most %d records", maxRecords)
	if _, err := Read(text("blacklist", maxRecords+1), nil); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	for _, none := range []string{"null", "[]"} {
		if d, err := Read([]byte(`{"version":"4.3","blacklist":`+none+`}`), nil); err != nil || len(d.Problems) > 0 {
			t.Errorf("%s: %v, %+v", none, err, d)
		}
	}
}
