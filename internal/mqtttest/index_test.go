package mqtttest

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

const indexPage = "../../docs/conformance.md"

// TestIndexIsFresh fails when docs/conformance.md is not what the scenarios make of it, and when a tag names no statement.
func TestIndexIsFresh(t *testing.T) {
	x, err := NewIndex(os.DirFS("testdata"))
	if err != nil {
		t.Fatal(err)
	}
	for _, standard := range Standards {
		share := x.Share(standard)
		t.Log(share)
		for _, st := range share.Missing {
			t.Logf("not proven yet: %s (%s) %s", st.ID, standard, st.Says)
		}
	}
	page := x.Markdown()
	if *update {
		if err := os.WriteFile(indexPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(indexPage)
	if err != nil || string(old) != page {
		t.Errorf("%s is stale (%v); run: go generate ./internal/mqtttest", indexPage, err)
	}
}

// TestStatementCounts pins the lists to the number of statements per chapter of the standards.
func TestStatementCounts(t *testing.T) {
	chapters := func(standard string, want map[string]int) {
		t.Helper()
		list, err := Statements(os.DirFS("testdata"), standard)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, s := range list {
			got[s.ID[len("MQTT-"):len("MQTT-")+1]]++
		}
		for chapter, n := range want {
			if got[chapter] != n {
				t.Errorf("MQTT %s chapter %s: %d statements, want %d", standard, chapter, got[chapter], n)
			}
		}
	}
	chapters("5.0", map[string]int{"1": 5, "2": 7, "3": 175, "4": 60, "6": 4})
	chapters("3.1.1", map[string]int{"1": 3, "2": 9, "3": 95, "4": 26, "6": 4, "7": 4})
}

// TestIndexRefuses shows that a list or a tag can be wrong.
func TestIndexRefuses(t *testing.T) {
	refuses := func(normative, scenario, want string) {
		t.Helper()
		text := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
		_, err := NewIndex(fstest.MapFS{
			"normative-5.0.txt": text(normative), "normative-3.1.1.txt": text(""), "laws.txt": text(""), "01-a.txt": text(scenario),
		})
		if err == nil && want != "" || err != nil && (want == "" || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q with %q: got %v, want %q", normative, scenario, err, want)
		}
	}
	const good = "MQTT-1.1.1-1 both wire Be good."
	refuses(good, "== a\n[MQTT-1.1.1-1]", "")
	refuses(good, "== a\n[MQTT-1.1.1-2]", "has no statement MQTT-1.1.1-2")
	refuses(good, "== a\n[MQTT-1.1.1-1@311]", "has no statement MQTT-1.1.1-1")
	refuses(good+"\n"+good, "", "listed twice")
	refuses("MQTT-1.1.1-1 nobody wire Be good.", "", "want an id")
	refuses("MQTT-1.1.1-1 both maybe Be good.", "", "want an id")
	refuses(good, "== a\n[MQTT]", "is no tag")
}

// TestShare counts what is proven and what could be.
func TestShare(t *testing.T) {
	text := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	x, err := NewIndex(fstest.MapFS{
		"normative-5.0.txt":   text("MQTT-1.1.1-1 both wire A.\nMQTT-1.1.1-2 both wire B | C.\nMQTT-1.1.1-3 client client D.\nMQTT-1.1.1-4 both wire E."),
		"normative-3.1.1.txt": text(""), "laws.txt": text("== law\n[MQTT-1.1.1-4]"),
		"01-a.txt": text("== one\n[MQTT-1.1.1-1]\nversions v3 v4\n== two\n[MQTT-1.1.1-1]"),
	})
	if err != nil {
		t.Fatal(err)
	}
	share := x.Share("5.0")
	if share.All != 4 || share.AllProven != 2 || share.Testable != 3 || share.TestProven != 2 || len(share.Missing) != 1 {
		t.Errorf("got %+v", share)
	}
	page := x.Markdown()
	for _, want := range []string{"| 1.1.1-1 | both | A. | 01-a: one; 01-a: two |", `| B \| C. | **not yet** |`, "| E. | laws: law |", "2 of 3 (67%)"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}
