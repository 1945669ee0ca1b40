package mqtttest

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"
)

var (
	against = flag.String("broker", "dunlin", "what the scenarios run against: dunlin, a dunlin binary's path, mosquitto, or the host:port of a running broker")
	from    = flag.String("from", "testdata", "the folder whose scenarios are played")
	update  = flag.Bool("update", false, "write the generated index")
)

// TestMain lets many scenarios wait at once: nearly all of their time is spent so, whatever the number of processors.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestConformance plays every scenario against a broker.
func TestConformance(t *testing.T) { playAll(t, *from, brokerUnderTest(t)) }

// TestLongConformance plays the scenarios of many thousand packets.
func TestLongConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	playAll(t, "testdata/long", brokerUnderTest(t))
}

func playAll(t *testing.T, folder string, broker Broker) {
	scenarios, err := Load(os.DirFS(folder))
	if err != nil {
		t.Fatal(err)
	}
	farm := &Farm{T: t, Broker: broker}
	for _, s := range scenarios {
		t.Run(s.File+"/"+s.Name, func(t *testing.T) {
			t.Parallel()
			node, err := farm.For(s)
			if errors.Is(err, ErrUnsupported) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			Run(t, node, s)
		})
	}
}

func brokerUnderTest(t *testing.T) Broker {
	switch *against {
	case "dunlin":
		d := &Dunlin{}
		if err := d.Build(t.TempDir()); err != nil {
			t.Fatal(err)
		}
		return d
	case "mosquitto":
		if _, err := exec.LookPath("mosquitto"); err != nil {
			t.Skip("mosquitto is not installed")
		}
		return Mosquitto{}
	}
	if strings.Contains(*against, "/") {
		return &Dunlin{bin: *against}
	}
	return running(*against)
}

// running is a broker that somebody else started: it has the settings it has.
type running string

func (addr running) Start(_ testing.TB, settings []string, ws bool) (Node, error) {
	if len(settings) > 0 || ws {
		return Node{}, ErrUnsupported
	}
	return Node{TCP: string(addr)}, nil
}
