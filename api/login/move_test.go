package login

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/keep/keeptest"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/backup"
)

// ofEMQX is a password as EMQ X stores it, with a salt of any bytes.
func ofEMQX(t *testing.T, password string) backup.Hashed {
	t.Helper()
	kind, err := auth.ParseHash("salt,md5")
	if err != nil {
		t.Fatal(err)
	}
	stored, salt, err := kind.Make([]byte(password))
	if err != nil {
		t.Fatal(err)
	}
	return backup.Hashed{Hash: kind, Stored: stored, Salt: salt}
}

// TestImportedAppsAreKept, and their secrets as hashes only.
func TestImportedAppsAreKept(t *testing.T) {
	keeper := keeptest.New()
	ctx := t.Context()
	apps := openApps(t, keeper, "")
	for _, app := range []backup.App{{ID: "a", Name: "n", Enabled: true, Secret: "s3cret"}, {ID: "b", Enabled: true, Hashed: ofEMQX(t, "other")}} {
		if err := apps.PutApp(ctx, app); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(keeper.Records()["a"], "s3cret") {
		t.Errorf("kept as %s", keeper.Records()["a"])
	}
	again := openApps(t, keeper, "")
	if !again.Check(ctx, "a", "s3cret") || again.Check(ctx, "a", "other") || !again.Check(ctx, "b", "other") {
		t.Error("after a restart the logins are others")
	}
	moved := openApps(t, nil, "")
	for _, app := range again.StoredApps() {
		if err := moved.PutApp(ctx, app); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(moved.All(), again.All()) {
		t.Errorf("exported and imported, %+v are %+v", again.All(), moved.All())
	}
	keeper.Fail(errDisk)
	if err := apps.PutApp(ctx, backup.App{ID: "c", Secret: "x"}); !errors.Is(err, errDisk) || len(apps.All()) != 2 {
		t.Errorf("%v, %d apps, though nothing can be kept", err, len(apps.All()))
	}
}

func TestImportedUsersAreKept(t *testing.T) {
	keeper := keeptest.New()
	ctx := t.Context()
	u := openUsers(t, keeper)
	for _, user := range []backup.User{
		{Name: "admin", Tags: "administrator", Hashed: ofEMQX(t, "public"), MustChange: true},
		{Name: "ops", Tags: "the night shift", Hashed: ofEMQX(t, "hush")}, {Name: "guest", Tags: "viewer", Hashed: ofEMQX(t, "hush")},
	} {
		if err := u.PutUser(ctx, user); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.PutUser(ctx, backup.User{Name: "a:b"}); !errors.Is(err, ErrName) {
		t.Errorf("a name that can't be said: %v", err)
	}
	again := openUsers(t, keeper)
	all := again.All()
	if len(all) != 3 || all[0].Role != Administrator || !all[0].MustChange || all[1].Role != Viewer || all[1].MustChange || all[2].Role != Administrator {
		t.Errorf("imported are %+v", all)
	}
	for _, user := range u.StoredUsers() {
		if err := again.PutUser(ctx, user); err != nil || user.Salt == "" {
			t.Errorf("%+v: %v", user, err)
		}
	}
	if user, ok := again.Check(ctx, "ops", "hush"); !ok || user.Role != Administrator {
		t.Errorf("exported and imported: %v %+v", ok, user)
	}
}

// TestPasswordsAreStoredAnew in the usual way as soon as they are used.
func TestPasswordsAreStoredAnew(t *testing.T) {
	keeper := keeptest.New()
	ctx := t.Context()
	u := openUsers(t, keeper)
	imported := backup.User{Name: "old", Hashed: ofEMQX(t, "public")}
	if err := u.PutUser(ctx, imported); err != nil {
		t.Fatal(err)
	}
	if _, ok := u.Check(ctx, "old", "wrong"); ok {
		t.Fatal("any password fits")
	}
	if _, ok := u.Proven("old", "public"); ok {
		t.Fatal("it is let in without a Check, which would store it anew")
	}
	user, ok := u.Check(ctx, "old", "public")
	if !ok || user.Stored == imported.Stored || user.Hash != u.hasher.name {
		t.Fatalf("it isn't stored anew: %v %+v", ok, user)
	}
	if user, ok := openUsers(t, keeper).Check(ctx, "old", "public"); !ok || user.Hash != u.hasher.name {
		t.Errorf("after a restart: %v %+v", ok, user)
	}
	if err := u.PutUser(ctx, imported); err != nil {
		t.Fatal(err)
	}
	keeper.Fail(errDisk)
	if user, ok := u.Check(ctx, "old", "public"); !ok || user.Stored != imported.Stored {
		t.Errorf("where it can't be kept: %v %+v", ok, user)
	}
}

// TestSaltsOfAnyBytesAreKept: EMQ X's are four random ones.
func TestSaltsOfAnyBytesAreKept(t *testing.T) {
	keeper := keeptest.New()
	salt := "\xff\xfe\x00\x80"
	if err := openUsers(t, keeper).PutUser(t.Context(), backup.User{Name: "u", Hashed: backup.Hashed{Salt: salt}}); err != nil {
		t.Fatal(err)
	}
	if user := openUsers(t, keeper).All()[0]; string(user.Salt) != salt {
		t.Errorf("kept is %q", user.Salt)
	}
}
